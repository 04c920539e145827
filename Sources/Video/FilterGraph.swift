import CFFmpeg

/// A filter graph assembled without filter strings, so that no text has to be escaped.
final class FilterGraph {
    typealias Filter = UnsafeMutablePointer<AVFilterContext>

    private let graph: UnsafeMutablePointer<AVFilterGraph>

    init() {
        LibAV.prepare()
        graph = avfilter_graph_alloc()
        graph.pointee.nb_threads = 1
    }

    deinit {
        var freed: UnsafeMutablePointer<AVFilterGraph>? = graph
        avfilter_graph_free(&freed)
    }

    /// - Throws: `FilterError` if the installed FFmpeg lacks the filter or rejects an option.
    func add(_ name: String, _ options: KeyValuePairs<String, String> = [:]) throws -> Filter {
        guard let filter = avfilter_get_by_name(name), let context = avfilter_graph_alloc_filter(graph, filter, nil)
        else { throw FilterError(filter: name, reason: "the installed FFmpeg lacks it") }
        for (key, value) in options { try check(av_opt_set(context, key, value, AV_OPT_SEARCH_CHILDREN), name) }
        try check(avfilter_init_str(context, nil), name)
        return context
    }

    /// A source of RGB frames with a time base of 1/100 s.
    func source(width: Int, height: Int, format: String = "rgb24") throws -> Filter {
        try add(
            "buffer",
            ["video_size": "\(width)x\(height)", "pix_fmt": format, "time_base": "1/100", "pixel_aspect": "1"])
    }

    func connect(_ from: Filter, _ to: Filter, input: UInt32 = 0) throws {
        try check(avfilter_link(from, 0, to, input), "link")
    }

    /// Connects a chain of filters, and configures the graph; other filters must be connected before.
    func configure(_ chain: Filter...) throws {
        for (from, to) in zip(chain, chain.dropFirst()) { try connect(from, to) }
        try check(avfilter_graph_config(graph, nil), "graph")
    }

    /// Sends a frame to a source; nil signals the end.
    func send(_ frame: Frame?, to source: Filter) throws {
        try check(av_buffersrc_add_frame_flags(source, frame?.pointer, Int32(AV_BUFFERSRC_FLAG_KEEP_REF)), "buffer")
    }

    /// Receives the next frame of a sink; false if it needs more input or has ended.
    func receive(from sink: Filter, into frame: Frame) throws -> Bool {
        av_frame_unref(frame.pointer)
        let status = av_buffersink_get_frame(sink, frame.pointer)
        if status == zt_error_again() || status == zt_error_end_of_file() { return false }
        try check(status, "buffersink")
        return true
    }

    private func check(_ status: Int32, _ filter: String) throws {
        if status < 0 { throw FilterError(filter: filter, reason: VideoError.reason(status)) }
    }
}

struct FilterError: Error { let filter, reason: String }
