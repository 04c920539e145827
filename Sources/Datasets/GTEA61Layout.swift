import Foundation

/// GTEA61 as the course kit unpacks it: `<root>/S1/close_chocolate/1/rgb/rgb0001.png`, one folder of frames a
/// clip. User S2 is the test set. The trees `flow_x_processed` and `flow_y_processed` beside it are not
/// looked at; where `root` holds `processed_frames2`, that is used.
///
/// Clips have no group: leaving a whole user out of three for validation would lose classes.
struct GTEA61Layout {
    let root: String

    func clips() throws -> [Clip] {
        let inner = root + "/processed_frames2"
        let isOuter = FolderLayout.isFolder(inner)
        let prefix = isOuter ? "processed_frames2/" : ""
        var clips: [Clip] = []
        for user in try FolderLayout.names(in: isOuter ? inner : root) where user.wholeMatch(of: /S\d+/) != nil {
            for label in try FolderLayout.names(in: "\(root)/\(prefix)\(user)") {
                for number in (try? FolderLayout.names(in: "\(root)/\(prefix)\(user)/\(label)")) ?? [] {
                    let path = "\(prefix)\(user)/\(label)/\(number)/rgb"
                    guard FolderLayout.isFolder("\(root)/\(path)") else { continue }
                    clips.append(Clip(path: path, label: label, split: user == "S2" ? .test : .train))
                }
            }
        }
        if clips.isEmpty { throw DatasetError.noVideos(root) }
        return clips
    }
}
