import Foundation

/// Why a network cannot be trained.
public enum FineTuningError: LocalizedError, Equatable {
    case unknownLayers([String], available: [String])
    case nothingTrained(backbone: String)
    case singleValue(backbone: String)
    case noRoom(path: String, needed: Int, free: Int)
    case noFrames(failed: Int)
    case otherCheckpoint(run: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .unknownLayers(let names, let available):
            "`finetune.unfreeze` names \(names.joined(separator: ", ")), which the network does not have. Its layers begin with "
                + available.joined(separator: ", ") + "."
        case .nothingTrained(let backbone):
            "`finetune.unfreeze` leaves nothing of \(backbone) to train: the layers named have no parameters. Use `sequence`."
        case .singleValue(let backbone):
            "A batch of one picture of one pixel has no deviation that the normalisations of \(backbone) could divide by. Raise "
                + "`finetune.batch_size` or `extract.image_size`."
        case .noRoom(let path, let needed, let free):
            "The decoded frames need \(needed >> 20) MB, but only \(free >> 20) MB are free where \(path) is. Name another place with "
                + "--frames, or take fewer frames or smaller ones."
        case .noFrames(let failed):
            "No clip has frames to train on; \(failed) could not be decoded. `zoetrope dataset PIPELINE` says what is wrong."
        case .otherCheckpoint(let run):
            "The checkpoint in \(run) is damaged or was made with another configuration. Train under another --name."
        }
    }
}
