import Foundation
import TestSupport
import Testing

@testable import Video

@Suite struct ResizeTests {
    struct Golden: Decodable, CustomTestStringConvertible {
        let filter: ResizeFilter
        let side, size, step: Int
        let pixels: [UInt8]
        var testDescription: String { "\(filter.rawValue) \(side) to \(size)" }
    }

    static let goldens: [Golden] = fixture("resize", in: Bundle.module)

    /// `picture` of Tests/Parity/resize_goldens.py.
    static func picture(side: Int) -> [UInt8] {
        (0..<side * side * 3).map { position in
            let (y, x, c) = (position / 3 / side, position / 3 % side, position % 3)
            return UInt8((x * 7 + y * 13 + c * 31 + x * y % 17 * 5) % 256)
        }
    }

    @Test("each filter gives what OpenCV or PIL gives", arguments: goldens) func equalsPeers(golden: Golden) throws {
        let scratch = ScratchFolder()
        let side = golden.side
        let path = try scratch.file("p.ppm", TestMovie.ppm(Self.picture(side: side), width: side, height: side))
        let framing = Framing.centerSquare(size: golden.size, filter: golden.filter)
        let frame = try VideoReader(path: path).sample(.first(frames: 1), framing: framing).frames[0]
        let errors = golden.pixels.enumerated().map { abs(Int(frame.pixels[$0 * golden.step]) - Int($1)) }
        if golden.filter == .bilinear {
            #expect(errors.max()! <= 1)
        } else {
            // At the borders PIL leaves out the pixels that are not there, where libswscale repeats the last.
            #expect(Double(errors.reduce(0, +)) / Double(errors.count) <= 0.5)
            #expect(Double(errors.count { $0 > 2 }) / Double(errors.count) <= 0.03)
        }
    }
}
