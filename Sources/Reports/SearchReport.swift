import Datasets
import Foundation
import Video

package struct SearchReport: Report, Sendable {
    package let charts: [Chart] = []
    private let query, unwanted: [String]
    private let collection: String
    private let moments: [Moment]
    private let root: String?

    private static let frames = 6

    /// `query`: phrases and files of the query. `unwanted`: negative phrases. `collection`: description of the
    /// searched collection. `root`: folder of the videos; nil if unknown.
    package init(query: [String], unwanted: [String], collection: String, moments: [Moment], root: String?) {
        (self.query, self.unwanted, self.collection) = (query, unwanted, collection)
        (self.moments, self.root) = (moments, root)
    }

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: query.joined(separator: " · "), subtitle: collection)
        page.notes = unwanted.map { "not: \($0)" }
        page.tiles = [Page.Tile(name: "found", value: grouped(moments.count))]
        page.tiles += moments.first.map { [Page.Tile(name: "best score", value: decimal(Double($0.score), 3))] } ?? []
        var section = Page.Section(id: "moments", heading: "Best first")
        section.clips = moments.map { ClipView($0, strip: FrameStrip($0, root: root, limit: Self.frames)) }
        if moments.isEmpty { section.text = "No moment scores above the rest of the collection." }
        page.sections = [section]
        return try page.html()
    }
}

extension ClipView {
    init(_ moment: Moment, strip: FrameStrip) {
        self.init(
            path: "\(moment.path), \(moment.text)", truth: moment.label, predicted: "", isWrong: false,
            problem: strip.problem, frames: strip.frames, bars: [])
    }
}

extension FrameStrip {
    /// At most `limit` evenly spaced frames of a moment.
    init(_ moment: Moment, root: String?, limit: Int) {
        do {
            guard let root else { throw StripError.unknownRoot }
            guard Clip.staysInside(moment.path) else { throw StripError.otherVideo(path: moment.path) }
            var all: [VideoFrame] = []
            try moment.forEachFrame(
                of: openClip(path: root + "/" + moment.path), from: moment.start, to: moment.end,
                framing: .centerSquare(size: Self.side)
            ) { frame in
                all.append(frame)
                // For a long moment every second frame is enough.
                if all.count > 64 * limit { all = stride(from: 0, to: all.count, by: 2).map { all[$0] } }
            }
            self.init(frames: try all.spread(limit).map { try ClipView.Frame($0, weight: nil) }, problem: nil)
        } catch { self.init(frames: [], problem: "No frames: \(error.localizedDescription)") }
    }
}
