import CFFmpeg
import Foundation

/// What is known of a clip before a frame is decoded.
public struct VideoInformation: Sendable, Equatable {
    /// Size as it is shown, after rotation, in pixels.
    public let width: Int
    /// Rows, as shown.
    public let height: Int
    /// Frames that are really there.
    public let frameCount: Int
    /// Frames per second.
    public let frameRate: Double
    /// Seconds.
    public let duration: Double
    /// Such as `h264`.
    public let codec: String
    /// Time of every frame in seconds, ascending.
    public let frameTimes: [Double]
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
}

extension ClipReader {
    /// Decodes the frames that `sampling` picks.
    ///
    /// - `seed`: decides `start: random`.
    /// - Throws: `VideoError`.
    public func sample(_ sampling: Sampling, seed: UInt64 = 0, framing: Framing) throws -> SampledFrames {
        try sample([SampleRequest(sampling, seed: seed, framing: framing)])[0]
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
    private var table: FrameTable
    private let limits: DecodingLimits
    private let quarterTurns: Int

    /// Opens the file and scans its packets; decodes nothing.
    ///
    /// - Throws: `VideoError`.
    public init(path: String, limits: DecodingLimits = .standard) throws {
        let file = try InputFile(path: path, limits: limits)
        let picture = file.stream.pointee.codecpar.pointee
        // FFmpeg leaves out the size of pictures that are too large for the decoder.
        guard picture.width > 0, picture.height > 0, Int(picture.width) * Int(picture.height) <= limits.pixels else {
            throw VideoError.beyondLimits(
                path: path, reason: "its pictures are of unknown size or of more than \(limits.pixels) pixels")
        }
        self.limits = limits
        table = try FrameTable(scanning: file)
        guard table.count > 0 else { throw VideoError.noFrames(path: path) }
        let (width, height) = (Int(picture.width), Int(picture.height))
        guard limits.allows(width: width, height: height, frames: table.count, bytes: file.bytes) else {
            throw VideoError.beyondLimits(
                path: path, reason: "\(file.bytes) bytes say that they are \(table.count) frames of \(width)×\(height)")
        }
        self.path = path
        quarterTurns = Int((zt_stream_rotation(file.stream) / 90).rounded()) % 4
        information = Self.information(file, table, quarterTurns: quarterTurns)
    }

    private static func information(_ file: InputFile, _ table: FrameTable, quarterTurns: Int) -> VideoInformation {
        let parameters = file.stream.pointee.codecpar.pointee
        let (width, height) = (Int(parameters.width), Int(parameters.height))
        let span = table.times[table.count - 1] - table.times[0]
        let measured = span > 0 ? Double(table.count - 1) / span : 0
        let rate = file.nominalRate > 0 ? file.nominalRate : measured
        return VideoInformation(
            width: quarterTurns % 2 == 0 ? width : height, height: quarterTurns % 2 == 0 ? height : width,
            frameCount: table.count, frameRate: rate, duration: span + (rate > 0 ? 1 / rate : 0),
            codec: String(cString: avcodec_get_name(parameters.codec_id)), frameTimes: table.times)
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
        // The packets promised frames that the decoder did not give (a damaged file, or an AVI whose
        // B-frames are packed two to a packet): sample again from those that there are.
        let file = try InputFile(path: path, limits: limits)
        var presented: [Int64] = []
        _ = try forEachPicture(of: file) {
            presented.append($0.timestamp)
            return .goOn
        }
        guard !presented.isEmpty else { throw VideoError.noFrames(path: path) }
        table = FrameTable(decoded: presented, file: file)
        information = Self.information(file, table, quarterTurns: quarterTurns)
        return try decode(requests, jumps: false).sampled
    }

    /// What a pass over the file gave.
    private struct Pass {
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
    private func decode(_ requests: [SampleRequest], jumps: Bool) throws -> Pass {
        let wanted = requests.map { $0.indices(times: table.times) }
        var wanting: [Int: [Int]] = [:]
        for (request, indices) in wanted.enumerated() {
            for index in indices { wanting[index, default: []].append(request) }
        }
        let order = wanting.keys.sorted()
        if order.isEmpty {
            let nothing = requests.map { _ in SampledFrames(frames: [], decodeErrors: 0) }
            return Pass(sampled: nothing, isWhole: true, errors: 0, jumps: 0)
        }
        let file = try InputFile(path: path, limits: limits)
        let scalers = requests.map { FrameScaler(path: path, framing: $0.framing, quarterTurns: quarterTurns) }
        var frames = requests.map { _ in [VideoFrame]() }
        var (presented, next) = (0, 0)
        let isSkippable: ((Int64) -> Bool)? =
            table.timestamps == nil
            ? nil : { [table] timestamp in table.index(of: timestamp, counted: 0).map { wanting[$0] == nil } ?? false }
        func entry(_ place: Int) -> Int { jumps && place < order.count ? table.firstPacket(for: order[place]) : 0 }
        let (errors, jumped) = try forEachPicture(of: file, from: entry(0), isSkippable: isSkippable) { picture in
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
        return Pass(
            sampled: frames.map { SampledFrames(frames: $0, decodeErrors: errors) }, isWhole: isWhole, errors: errors,
            jumps: jumped)
    }

    /// Frames come in order of presentation; those that nobody wants and no other refers to are not decoded.
    public func forEachFrame(_ requests: [SampleRequest], _ body: (Int, VideoFrame) throws -> Void) throws -> Int {
        let indices = requests.map { Set($0.indices(times: table.times)) }
        let wanted = indices.reduce(into: Set()) { $0.formUnion($1) }.sorted()
        guard !wanted.isEmpty else { return 0 }
        let file = try InputFile(path: path, limits: limits)
        let scalers = requests.map { FrameScaler(path: path, framing: $0.framing, quarterTurns: quarterTurns) }
        var (presented, next) = (0, 0)
        let isWanted = Set(wanted).contains
        let isSkippable: ((Int64) -> Bool)? =
            table.timestamps == nil
            ? nil : { [table] in table.index(of: $0, counted: 0).map { !isWanted($0) } ?? false }
        return try forEachPicture(of: file, isSkippable: isSkippable) { picture in
            let index = table.index(of: picture.timestamp, counted: presented)
            presented += 1
            guard let index, index >= wanted[next] else { return .goOn }
            for place in requests.indices where index == wanted[next] && indices[place].contains(index) {
                try body(place, scalers[place].frame(picture, index: index, time: table.times[index]))
            }
            while next < wanted.count, wanted[next] <= index { next += 1 }
            return next == wanted.count ? .stop : .goOn
        }.errors
    }

    /// What is to be done after a picture.
    private enum Step {
        case goOn, stop
        /// The packet that decoding may go on with, where it is still to come.
        case jump(Int)
    }

    /// Damaged packets in a row after which a decoder counts as stuck.
    private static let patience = 1000

    /// Calls `body` for each picture in order of presentation until it says to stop.
    ///
    /// - Parameters:
    ///   - first: place of the first packet to decode, which must depend on none before it.
    ///   - isSkippable: whether a picture with that timestamp is wanted by nobody; it is then not decoded
    ///     where no other picture refers to it. Nil decodes all.
    /// - Returns: damaged packets and pictures on the way, and how often packets were left out.
    /// - Throws: `VideoError.beyondLimits`, or what `body` throws.
    private func forEachPicture(
        of file: InputFile, from first: Int = 0, isSkippable: ((Int64) -> Bool)? = nil, _ body: (Picture) throws -> Step
    ) throws -> (errors: Int, jumps: Int) {
        let decoder = try Decoder(file)
        let (packet, picture) = (Packet(), Picture())
        var (errors, inARow, jumps) = (0, 0, 0)
        // The place of the next packet, and that of the next one to decode.
        var (place, entry) = (0, first)
        var isFlushing = false
        let begin = ContinuousClock.now
        let allowed = Duration.seconds(limits.secondsAllowed(frames: table.count, bytes: file.bytes))
        while inARow < Self.patience {
            if ContinuousClock.now - begin > allowed {
                throw VideoError.beyondLimits(
                    path: path, reason: "decoding takes longer than \(allowed.components.seconds) s")
            }
            switch decoder.receive(into: picture) {
            case .picture:
                inARow = 0
                if picture.pointer.pointee.decode_error_flags != 0 { errors += 1 }
                switch try body(picture) {
                case .goOn: break
                case .stop: return (errors, jumps)
                case .jump(let packet):
                    guard packet > place else { break }
                    entry = packet
                    decoder.reset()
                }
            case .needsInput:
                if isFlushing { return (errors, jumps) }
                if place < entry { jumps += 1 }
                while place < entry, file.read(into: packet) { place += 1 }
                if file.read(into: packet) {
                    place += 1
                    if let isSkippable { decoder.skipsDisposable = isSkippable(packet.pointer.pointee.pts) }
                    if !decoder.send(packet) { (errors, inARow) = (errors + 1, inARow + 1) }
                } else {
                    isFlushing = true
                    _ = decoder.send(nil)
                }
            case .damaged: (errors, inARow) = (errors + 1, inARow + 1)
            case .end: return (errors, jumps)
            }
        }
        return (errors, jumps)
    }
}
