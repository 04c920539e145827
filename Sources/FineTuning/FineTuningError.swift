import Foundation

package enum FineTuningError: LocalizedError, Equatable {
    case unknownLayers([String], available: [String])
    case nothingTrained(backbone: String)
    case singleValue(backbone: String)
    case noRoom(path: String, needed: Int, free: Int)
    case noFrames(failed: Int)
    case otherCheckpoint(run: String)

    package var errorDescription: String? {
        switch self {
        case .unknownLayers(let names, let available):
            "`finetune.unfreeze` names \(names.joined(separator: ", ")), which the backbone does not have. Its layers "
                + "begin with "
                + available.joined(separator: ", ") + "."
        case .nothingTrained(let backbone):
            "`finetune.unfreeze` selects no parameters of \(backbone). Name layers with parameters, or use `sequence`."
        case .singleValue(let backbone):
            "A batch with one value per channel has no variance for the batch normalisations of \(backbone). Raise "
                + "`finetune.batch_size` or `extract.image_size`."
        case .noRoom(let path, let needed, let free):
            "The decoded frames need \(needed >> 20) MB, but only \(free >> 20) MB are free on the disk of \(path). "
                + "Name another file with --frames, or use fewer or smaller frames."
        case .noFrames(let failed):
            "No clip has frames to train on; \(failed) could not be decoded. Run `zoetrope dataset PIPELINE` for the "
                + "reasons."
        case .otherCheckpoint(let run):
            "The checkpoint in \(run) is damaged or was written with another configuration. Train under another --name."
        }
    }
}
