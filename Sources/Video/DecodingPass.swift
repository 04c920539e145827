import CFFmpeg
import Foundation

/// One pass of a decoder over the packets of a file.
final class DecodingPass {
    /// What is to be done after a picture.
    enum Step {
        case goOn, stop
        /// The packet that decoding may go on with, if it is still to come.
        case jump(Int)
    }

    /// Whether a picture with that timestamp is wanted by nobody; it is then not decoded if no other picture refers to it.
    /// Nil decodes all.
    var isSkippable: ((Int64) -> Bool)?
    /// Whether pictures have the place of their packet as timestamp, instead of what the container states.
    var countsPackets = false
    /// Damaged packets and pictures so far.
    private(set) var errors = 0
    /// How often packets were left out.
    private(set) var jumps = 0

    private let file: InputFile
    private let decoder: Decoder
    private let (packet, picture) = (Packet(), Picture())
    /// The place of the next packet, and that of the next one to decode.
    private var (place, entry) = (0, 0)
    /// Damaged packets in a row.
    private var inARow = 0
    private let end: ContinuousClock.Instant
    private let allowed: Duration

    /// Damaged packets in a row after which a decoder counts as stuck.
    private static let patience = 1000

    /// - Parameter frames: of the file, which decide how long decoding may take.
    /// - Throws: `VideoError`.
    init(_ file: InputFile, frames: Int) throws {
        self.file = file
        decoder = try Decoder(file)
        allowed = .seconds(file.limits.secondsAllowed(frames: frames, bytes: file.bytes))
        end = .now + allowed
    }

    /// Calls `body` for each picture in order of presentation until it says to stop.
    ///
    /// - Parameter first: place of the first packet to decode, which must depend on none before it.
    /// - Throws: `VideoError.beyondLimits`, or what `body` throws.
    func run(from first: Int = 0, _ body: (Picture) throws -> Step) throws {
        entry = first
        var isFlushing = false
        while inARow < Self.patience {
            if ContinuousClock.now > end {
                throw VideoError.beyondLimits(
                    path: file.path, reason: "decoding takes longer than \(allowed.components.seconds) s")
            }
            switch decoder.receive(into: picture) {
            case .picture:
                inARow = 0
                if picture.pointer.pointee.decode_error_flags != 0 { errors += 1 }
                switch try body(picture) {
                case .goOn: break
                case .stop: return
                case .jump(let packet):
                    guard packet > place else { break }
                    entry = packet
                    decoder.reset()
                }
            case .needsInput:
                if isFlushing { return }
                isFlushing = !feed()
            case .damaged: (errors, inARow) = (errors + 1, inARow + 1)
            case .end: return
            }
        }
    }

    /// Hands the next packet to the decoder; false if there is none.
    private func feed() -> Bool {
        if place < entry { jumps += 1 }
        while readFrame() {
            place += 1
            if place <= entry { continue }
            if let isSkippable { decoder.skipsDisposable = isSkippable(packet.pointer.pointee.pts) }
            if countsPackets { packet.pointer.pointee.pts = Int64(place - 1) }
            if !decoder.send(packet) { (errors, inARow) = (errors + 1, inARow + 1) }
            return true
        }
        _ = decoder.send(nil)
        return false
    }

    /// The next packet that is not empty: decoders take an empty one for the end.
    private func readFrame() -> Bool {
        while file.read(into: packet) {
            if packet.pointer.pointee.size > 0 { return true }
        }
        return false
    }

    /// The first picture of a file, or nil if none can be decoded.
    ///
    /// - Throws: `VideoError`.
    static func first(_ file: InputFile) throws -> Picture? {
        let pass = try DecodingPass(file, frames: 1)
        var isThere = false
        try pass.run { _ in
            isThere = true
            return .stop
        }
        return isThere ? pass.picture : nil
    }
}

extension FrameTable {
    /// Decodes all frames of a file once to learn which there are.
    ///
    /// - Throws: `VideoError`.
    init(decoding file: InputFile, _ scan: PacketScan) throws {
        let pass = try DecodingPass(file, frames: scan.packets.count)
        pass.countsPackets = true
        var order = DecodedOrder()
        try pass.run { picture in
            order.append(Int(exactly: picture.timestamp))
            if order.count > file.limits.frames {
                throw VideoError.beyondLimits(
                    path: file.path, reason: "it has more than \(file.limits.frames) frames")
            }
            return .goOn
        }
        guard order.count > 0 else {
            throw scan.keys.isEmpty ? VideoError.noKeyframe(path: file.path) : VideoError.noFrames(path: file.path)
        }
        self.init(order, scan, file)
    }
}
