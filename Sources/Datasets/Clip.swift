import Escaping

/// One labelled clip of a dataset: a video file, or a folder of images.
public struct Clip: Sendable, Equatable {
    /// Relative to the dataset's root.
    public let path: String
    /// Class of the clip.
    public let label: String
    /// Part that the dataset itself puts it in, or test if `dataset.test` sets it aside.
    public let split: Split
    /// Clips of one group come from one source and must stay on one side of any split we make.
    public let group: String?
    /// Whether `dataset.test` set it aside for testing: the dataset itself has it in train.
    public private(set) var isSetAside = false

    /// A clip at `path` below the root.
    public init(path: String, label: String, split: Split, group: String? = nil) {
        self.path = path
        self.label = label
        self.split = split
        self.group = group
    }

    /// Part that the dataset itself puts it in, which is what a cache stores.
    public var ownSplit: Split { isSetAside ? .train : split }

    /// The same clip, set aside for testing by `dataset.test`.
    var settingAside: Clip {
        var clip = Clip(path: path, label: label, split: .test, group: group)
        clip.isSetAside = true
        return clip
    }

    /// The same clip in the training part.
    var inTraining: Clip { Clip(path: path, label: label, split: .train, group: group) }

    /// Whether a relative path cannot lead out of the folder that it is appended to.
    public static func staysInside(_ path: String) -> Bool {
        !path.isEmpty && !path.hasBytePrefix("/") && !path.utf8.contains(0)
            && !path.splitBytes("/").contains { $0.utf8.elementsEqual("..".utf8) }
    }
}

/// The part of a dataset a clip belongs to.
public enum Split: String, Sendable, CaseIterable {
    case train, validation, test
}
