import Escaping

/// One labelled clip of a dataset: a video file, or a folder of images.
public struct Clip: Sendable, Equatable {
    /// Relative to the dataset's root.
    public let path: String
    /// Class of the clip.
    public let label: String
    /// Part that the dataset itself puts it in.
    public let split: Split
    /// Clips of one group come from one source and must stay on one side of any split we make.
    public let group: String?

    /// A clip at `path` below the root.
    public init(path: String, label: String, split: Split, group: String? = nil) {
        self.path = path
        self.label = label
        self.split = split
        self.group = group
    }

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
