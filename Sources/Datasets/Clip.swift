import Escaping

/// One labelled clip of a data set: a video file, or a folder of images.
package struct Clip: Sendable, Equatable {
    /// Relative to the data set's root.
    package let path: String
    package let label: String
    /// The data set's own split, or test if `dataset.test` selected the clip.
    package let split: Split
    /// Clips of one group have a common source and are never divided between splits.
    package let group: String?
    /// Whether `dataset.test` selected it for testing; in the data set itself it is in train.
    package private(set) var isSetAside = false

    package init(path: String, label: String, split: Split, group: String? = nil) {
        (self.path, self.label, self.split, self.group) = (path, label, split, group)
    }

    /// The data set's own split, as stored in caches.
    package var ownSplit: Split { isSetAside ? .train : split }

    /// The clip selected for testing by `dataset.test`.
    var settingAside: Clip {
        var clip = Clip(path: path, label: label, split: .test, group: group)
        clip.isSetAside = true
        return clip
    }

    var inTraining: Clip { Clip(path: path, label: label, split: .train, group: group) }

    /// Whether a relative path stays inside the folder that it is appended to.
    package static func staysInside(_ path: String) -> Bool {
        !path.isEmpty && !path.hasBytePrefix("/") && !path.utf8.contains(0)
            && !path.splitBytes("/").contains { $0.utf8.elementsEqual("..".utf8) }
    }
}

package enum Split: String, Sendable, CaseIterable { case train, validation, test }
