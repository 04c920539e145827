import Foundation

/// A trimmed video of YouTube, as Kinetics' lists name it.
struct KineticsClip {
    private let id: String?
    private let start: Int?
    private let end: Int?
    /// Why no file can be named; nil if one can.
    let problem: String?

    /// - Parameter cells: identifier, start and end in seconds, such as `1`, `1.0` or `000001`.
    init(_ cells: [String?]) {
        func cell(_ index: Int) -> String? { cells.indices.contains(index) ? cells[index] : nil }
        func seconds(_ index: Int) -> Int? {
            cell(index).flatMap { Int($0) ?? Double($0).flatMap { Int(exactly: $0) } }.flatMap { $0 < 0 ? nil : $0 }
        }
        (id, start, end) = (cell(0), seconds(1), seconds(2))
        func problem(_ name: String, _ index: Int) -> String {
            cell(index).map { "\(name) is \($0), not a whole number of seconds" } ?? "\(name) is empty"
        }
        self.problem =
            id == nil
            ? "the youtube_id is empty"
            : start == nil ? problem("time_start", 1) : end == nil ? problem("time_end", 2) : nil
    }

    /// The identifier, by which the video is called if its times are not in the name.
    var identifier: String { id ?? "" }

    /// Names of the file, the published one first.
    var names: [String] {
        guard let id, let start, let end else { return [] }
        return [
            String(format: "%@_%06d_%06d.mp4", id, start, end), "\(id)_\(start)_\(end).mp4",
            String(format: "%@_%06d.mp4", id, start),
        ]
    }
}
