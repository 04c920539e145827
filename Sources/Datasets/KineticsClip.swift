import Foundation

/// A trimmed YouTube video, as named in Kinetics' lists.
struct KineticsClip {
    private let id: String?
    private let start, end: Int?
    /// Why no file name can be formed, or nil.
    let problem: String?

    /// - Parameter cells: identifier, start and end in seconds, such as `1`, `1.0` or `000001`.
    init(_ cells: [String?]) {
        func cell(_ index: Int) -> String? { cells.indices.contains(index) ? cells[index] : nil }
        func seconds(_ index: Int) -> Int? {
            cell(index).flatMap { Int($0) ?? Double($0).flatMap { Int(exactly: $0) } }.flatMap { $0 < 0 ? nil : $0 }
        }
        (id, start, end) = (cell(0), seconds(1), seconds(2))
        func problem(_ name: String, _ index: Int) -> String {
            cell(index).map { "\(name) is \($0), not an integer number of seconds" } ?? "\(name) is empty"
        }
        self.problem =
            id == nil
            ? "the youtube_id is empty"
            : start == nil ? problem("time_start", 1) : end == nil ? problem("time_end", 2) : nil
    }

    /// The file name of videos without times in their names.
    var identifier: String { id ?? "" }

    /// Possible file names, the published one first.
    var names: [String] {
        guard let id, let start, let end else { return [] }
        return [
            String(format: "%@_%06d_%06d.mp4", id, start, end), "\(id)_\(start)_\(end).mp4",
            String(format: "%@_%06d.mp4", id, start),
        ]
    }
}
