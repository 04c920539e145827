import CFFmpeg
import Foundation

/// What is known of a clip before a frame is decoded.
public struct VideoInformation: Sendable, Equatable {
    /// Stored pixels in a row, after turning to the orientation that is shown.
    public let width: Int
    /// Rows, after turning.
    public let height: Int
    /// Width of a pixel divided by its height, after turning; 1 for square pixels.
    public var pixelAspect = 1.0
    /// The size with square pixels: rows as stored, the width in proportion.
    public var shownSize: (width: Int, height: Int) { (max(1, Int((Double(width) * pixelAspect).rounded())), height) }
    /// Frames that are really there.
    public let frameCount: Int
    /// Frames per second.
    public let frameRate: Double
    /// Seconds.
    public let duration: Double
    /// Such as `h264`.
    public let codec: String
    /// Time of every frame in seconds, as the stream states it: it steps back where recordings were joined by `cat`.
    public let frameTimes: [Double]
    /// The same, ascending, for sampling: it goes on by a frame where the stream's clock starts again.
    public let clock: [Double]
}

/// What a sampling pass gives.
public struct SampledFrames: Sendable, Equatable {
    /// In order of presentation.
    public let frames: [VideoFrame]
    /// Damaged packets that were skipped on the way.
    public let decodeErrors: Int
}

/// A clip: a video file, or a folder whose images are its frames. Frame indices and times are exact.
public protocol ClipReader {
    /// The file or folder.
    var path: String { get }
    /// What is known of it.
    var information: VideoInformation { get }

    /// Decodes the clip once for all requests.
    ///
    /// - Returns: the frames of each request, in the order of the requests.
    /// - Throws: `VideoError`.
    func sample(_ requests: [SampleRequest]) throws -> [SampledFrames]

    /// Decodes the clip once and hands on each wanted frame, with the place of its request, when it is there, so that a
    /// clip of any length takes no more memory than a short one. Frames that cannot be decoded are left out.
    ///
    /// - Returns: damaged packets on the way.
    /// - Throws: `VideoError`, or what `body` throws.
    @discardableResult
    func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int

    /// What a clip may cost.
    var limits: DecodingLimits { get }
}

extension ClipReader {
    /// Decodes the frames that `sampling` picks.
    ///
    /// - `seed`: decides `start: random`.
    /// - Throws: `VideoError`.
    public func sample(_ sampling: Sampling, seed: UInt64 = 0, framing: Framing) throws -> SampledFrames {
        try sample([SampleRequest(sampling, seed: seed, framing: framing)])[0]
    }

    /// The frames of each window that the request wants; nil if its policy has none.
    ///
    /// - Throws: `VideoError.beyondLimits`.
    public func windows(_ request: SampleRequest) throws -> [[Int]]? {
        try limits.check(request, clock: information.clock, path: path)
        return request.windows(clock: information.clock)
    }

    /// Times in seconds of the frames that the request wants.
    ///
    /// - Throws: `VideoError.beyondLimits`.
    public func times(_ request: SampleRequest) throws -> [Double] {
        try indices(request).map { information.frameTimes[$0] }
    }

    /// Frames that the request wants, ascending.
    func indices(_ request: SampleRequest) throws -> [Int] {
        try limits.check(request, clock: information.clock, path: path)
        return request.indices(clock: information.clock)
    }

    /// The same for one request.
    @discardableResult
    public func forEachFrame(_ request: SampleRequest, _ body: (VideoFrame) throws -> Void) throws -> Int {
        try forEachFrame([request]) { try body($1) }
    }
}

/// Opens a clip by what stands at `path`.
///
/// - Throws: `VideoError`.
public func openClip(path: String, limits: DecodingLimits = .standard) throws -> any ClipReader {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
        throw VideoError.missing(path: path)
    }
    return isDirectory.boolValue
        ? try ImageFolder(path: path, limits: limits) : try VideoReader(path: path, limits: limits)
}

/// For programs in which pictures are made in one thread and freed in another: with memory of its own for each thread, as
/// glibc has it, what is free in one is taken anew in the next, and the process grows with the length of a video.
public func shareMemoryBetweenThreads() { zt_share_memory() }

/// A video file read through libavformat and libavcodec.
public final class VideoReader: ClipReader {
    /// The file.
    public let path: String
    /// Of the frames that are really there.
    public private(set) var information: VideoInformation
    /// What it may cost.
    public let limits: DecodingLimits
    private var table: FrameTable
    private let shape: ShownShape
    private let scan: PacketScan

    /// Opens the file and reads its packets. Decodes all frames once if packets do not say which frames there are, and the
    /// first one if it may state its own orientation.
    ///
    /// - Throws: `VideoError`.
    public convenience init(path: String, limits: DecodingLimits = .standard) throws {
        try self.init(path: path, limits: limits, isFrame: false)
    }

    /// - Parameter isFrame: whether only frames are wanted of an image, and not its size: then it is decoded once.
    init(path: String, limits: DecodingLimits, isFrame: Bool) throws {
        (self.path, self.limits) = (path, limits)
        let file = try InputFile(path: path, limits: limits)
        let size = file.size
        let tooLarge = VideoError.beyondLimits(
            path: path, reason: "its pictures are of unknown size or of more than \(limits.pixels) pixels")
        if size.width > 0, size.height > 0, size.width * size.height > limits.pixels { throw tooLarge }
        scan = try PacketScan(file)
        // Sizes are stated with keyframes. FFmpeg also leaves out the size of pictures that are too large for the decoder.
        if size.width <= 0 || size.height <= 0 {
            throw !scan.packets.isEmpty && scan.keys.isEmpty ? VideoError.noKeyframe(path: path) : tooLarge
        }
        guard !scan.packets.isEmpty else { throw VideoError.noFrames(path: path) }
        guard limits.allows(width: size.width, height: size.height, frames: scan.packets.count, bytes: file.bytes)
        else {
            throw VideoError.beyondLimits(
                path: path,
                reason:
                    "\(file.bytes) bytes say that they are \(scan.packets.count) frames of \(size.width)×\(size.height)"
            )
        }
        if let told = FrameTable(scan, file) {
            table = told
        } else {
            table = try FrameTable(decoding: InputFile(path: path, limits: limits), scan)
        }
        var shape = ShownShape(file.stream)
        if scan.mayStateOrientation, !isFrame {
            shape = try DecodingPass.first(InputFile(path: path, limits: limits)).map(shape.of) ?? shape
        }
        self.shape = shape
        information = Self.information(file, table, shape)
    }

    private static func information(_ file: InputFile, _ table: FrameTable, _ shape: ShownShape) -> VideoInformation {
        let shown = shape.orientation.shown(file.size)
        let span = (table.clock.last ?? 0) - (table.clock.first ?? 0)
        let measured = span > 0 ? Double(table.count - 1) / span : 0
        let nominal = file.nominalRate
        let rate = nominal > 0 && (table.isNominal || measured == 0) ? nominal : measured
        return VideoInformation(
            width: shown.width, height: shown.height, pixelAspect: shape.shownPixelAspect, frameCount: table.count,
            frameRate: rate, duration: span + (rate > 0 ? 1 / rate : 0),
            codec: String(cString: avcodec_get_name(file.codec)), frameTimes: table.times, clock: table.clock)
    }

    /// Decodes the frames that the requests pick; again without jumping, and then from what is really there, where
    /// packets promised more.
    public func sample(_ requests: [SampleRequest]) throws -> [SampledFrames] {
        let quick = try decode(requests, jumps: true)
        // Damage may begin at a picture that only looked as if decoding could begin there.
        if quick.isWhole && (quick.jumps == 0 || quick.errors == 0) { return quick.sampled }
        if quick.jumps > 0 {
            let patient = try decode(requests, jumps: false)
            if patient.isWhole { return patient.sampled }
        }
        // The packets promised frames that the decoder did not give, as in a damaged file: sample again from those that
        // there are.
        let file = try InputFile(path: path, limits: limits)
        table = try FrameTable(decoding: file, scan)
        information = Self.information(file, table, shape)
        return try decode(requests, jumps: false).sampled
    }

    /// What a pass over the file gave.
    private struct Sampled {
        let sampled: [SampledFrames]
        /// Whether the decoder gave all that was wanted.
        let isWhole: Bool
        let errors: Int
        /// Stretches of packets that were left out.
        let jumps: Int
    }

    /// Decodes up to the last wanted frame, converting the wanted ones only.
    ///
    /// - Parameter jumps: whether packets are left out from which no wanted frame is made.
    private func decode(_ requests: [SampleRequest], jumps: Bool) throws -> Sampled {
        let wanted = try requests.map(indices)
        var wanting: [Int: [Int]] = [:]
        for (request, indices) in wanted.enumerated() {
            for index in indices { wanting[index, default: []].append(request) }
        }
        let order = wanting.keys.sorted()
        if order.isEmpty {
            let nothing = requests.map { _ in SampledFrames(frames: [], decodeErrors: 0) }
            return Sampled(sampled: nothing, isWhole: true, errors: 0, jumps: 0)
        }
        let pass = try DecodingPass(InputFile(path: path, limits: limits), frames: table.count)
        let scalers = requests.map(scaler)
        var frames = requests.map { _ in [VideoFrame]() }
        var (presented, next) = (0, 0)
        if table.timestamps != nil {
            pass.isSkippable = { [table] timestamp in
                table.index(of: timestamp, counted: 0).map { wanting[$0] == nil } ?? false
            }
        }
        func entry(_ place: Int) -> Int { jumps && place < order.count ? table.firstPacket(for: order[place]) : 0 }
        try pass.run(from: entry(0)) { picture in
            let index = table.index(of: picture.timestamp, counted: presented)
            presented += 1
            guard let index, next < order.count, index >= order[next] else { return .goOn }
            for request in wanting[index] ?? [] {
                frames[request].append(try scalers[request].frame(picture, index: index, time: table.times[index]))
            }
            while next < order.count, order[next] <= index { next += 1 }
            return next == order.count ? .stop : .jump(entry(next))
        }
        let isWhole = zip(frames, wanted).allSatisfy { $0.count == $1.count }
        return Sampled(
            sampled: frames.map { SampledFrames(frames: $0, decodeErrors: pass.errors) }, isWhole: isWhole,
            errors: pass.errors, jumps: pass.jumps)
    }

    private func scaler(_ request: SampleRequest) -> FrameScaler {
        FrameScaler(path: path, framing: request.framing, aspect: request.aspect, container: shape)
    }

    /// Frames come in order of presentation; those that nobody wants and no other refers to are not decoded.
    public func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int {
        let indices = try requests.map { Set(try self.indices($0)) }
        let wanted = indices.reduce(into: Set()) { $0.formUnion($1) }.sorted()
        guard !wanted.isEmpty else { return 0 }
        let pass = try DecodingPass(InputFile(path: path, limits: limits), frames: table.count)
        let scalers = requests.map(scaler)
        var (presented, next) = (0, 0)
        let isWanted = Set(wanted).contains
        if table.timestamps != nil {
            pass.isSkippable = { [table] in table.index(of: $0, counted: 0).map { !isWanted($0) } ?? false }
        }
        try pass.run { picture in
            let index = table.index(of: picture.timestamp, counted: presented)
            presented += 1
            guard let index, index >= wanted[next] else { return .goOn }
            for place in requests.indices where index == wanted[next] && indices[place].contains(index) {
                try body(place, scalers[place].frame(picture, index: index, time: table.times[index]))
            }
            while next < wanted.count, wanted[next] <= index { next += 1 }
            return next == wanted.count ? .stop : .goOn
        }
        return pass.errors
    }
}
