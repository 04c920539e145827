import Foundation

final class DecodingPass {
    /// How to continue after a frame.
    enum Step {
        case proceed, stop
        /// Decoding continues at this packet, unless it has been passed.
        case jump(Int)
    }

    /// Whether the frame of a timestamp may be left undecoded if no other frame refers to it. Nil decodes all.
    var isSkippable: ((Int64) -> Bool)?
    /// Whether timestamps are packet indices instead of the container's.
    var countsPackets = false
    /// Damaged packets and frames so far.
    private(set) var errors = 0
    private(set) var jumps = 0

    private let file: InputFile
    private let decoder: Decoder
    private let (packet, frame) = (Packet(), Frame())
    /// Index of the next packet, and of the next one to decode.
    private var (place, entry) = (0, 0)
    /// Consecutive damaged packets.
    private var inARow = 0
    private let end: ContinuousClock.Instant
    private let allowed: Duration

    /// Number of consecutive damaged packets after which decoding is aborted.
    private static let patience = 1000

    /// `frames`: number of frames in the file, which determines the time limit. Throws `VideoError`.
    init(_ file: InputFile, frames: Int) throws {
        self.file = file
        decoder = try Decoder(file)
        allowed = .seconds(file.limits.secondsAllowed(frames: frames, bytes: file.bytes))
        end = .now + allowed
    }

    /// Calls `body` with each frame in order of presentation until it stops. `first`: index of the first packet to
    /// decode, which must not depend on earlier ones. Throws `VideoError.beyondLimits`, or the error of `body`.
    func run(from first: Int = 0, _ body: (Frame) throws -> Step) throws {
        entry = first
        var isFlushing = false
        while inARow < Self.patience {
            if ContinuousClock.now > end {
                throw VideoError.beyondLimits(
                    path: file.path, reason: "decoding takes longer than \(allowed.components.seconds) s")
            }
            switch decoder.receive(into: frame) {
            case .frame:
                inARow = 0
                if frame.pointer.pointee.decode_error_flags != 0 { errors += 1 }
                switch try body(frame) {
                case .proceed: break
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

    /// Sends the next packet to the decoder; false if there is none.
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

    /// Reads the next non-empty packet: decoders interpret an empty one as the end.
    private func readFrame() -> Bool {
        while file.read(into: packet) { if packet.pointer.pointee.size > 0 { return true } }
        return false
    }

    /// The first frame of a file, or nil if none can be decoded. Throws `VideoError`.
    static func first(_ file: InputFile) throws -> Frame? {
        let pass = try DecodingPass(file, frames: 1)
        var isThere = false
        try pass.run { _ in
            isThere = true
            return .stop
        }
        return isThere ? pass.frame : nil
    }
}

extension FrameTable {
    /// Decodes all frames of a file once to determine their order and times. Throws `VideoError`.
    init(decoding file: InputFile, _ scan: PacketScan) throws {
        let pass = try DecodingPass(file, frames: scan.packets.count)
        pass.countsPackets = true
        var order = DecodedOrder()
        try pass.run { frame in
            order.append(Int(exactly: frame.timestamp))
            if order.count > file.limits.frames {
                throw VideoError.beyondLimits(path: file.path, reason: "it has more than \(file.limits.frames) frames")
            }
            return .proceed
        }
        guard order.count > 0 else {
            throw scan.keys.isEmpty ? VideoError.noKeyframe(path: file.path) : VideoError.noFrames(path: file.path)
        }
        self.init(order, scan, file)
    }
}
