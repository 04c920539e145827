import Video

/// GTEA61 as unpacked by the course kit: `<root>/S1/close_chocolate/1/rgb/rgb0001.png`, one folder of frames per clip.
/// User S2 is the test set. `flow_x_processed` and `flow_y_processed` are ignored; `processed_frames2` in `root` is
/// used if present. Clips have no group: using a whole user of three for validation would lose classes.
struct GTEA61Layout {
    let root: String

    func listing() throws -> DatasetListing {
        var lister = FolderLister(root: root)
        let base = FolderLayout.isFolder(root + "/processed_frames2") ? "processed_frames2" : ""
        let users = base.isEmpty ? try lister.rootEntries() : lister.entries(of: base, label: nil)
        for user in users where user.kind == .folder && user.name.wholeMatch(of: /S\d+/) != nil {
            let split: Split = user.name == "S2" ? .test : .train
            let folder = FolderLister.joined(base, user.name)
            for label in lister.entries(of: folder, label: nil) where label.kind == .folder {
                addClips(of: label.name, in: folder + "/" + label.name, split, &lister)
            }
        }
        return try lister.result()
    }

    private func addClips(of label: String, in folder: String, _ split: Split, _ lister: inout FolderLister) {
        let before = lister.listing.clips.count
        for number in lister.entries(of: folder, label: label) where number.kind == .folder {
            let path = "\(folder)/\(number.name)/rgb"
            guard FolderLayout.isFolder("\(root)/\(path)") else {
                lister.leaveOut("\(folder)/\(number.name)", label, .noFrames)
                continue
            }
            let entries = lister.entries(of: path, label: label, holdsClips: false)
            lister.add(
                Clip(path: path, label: label, split: split),
                folder: ImageFolderContents(entries, in: "\(root)/\(path)"))
        }
        if lister.listing.clips.count == before { lister.leaveOut(folder, label, .noClips) }
    }
}
