import Escaping
import Video

/// One labelled clip of a data set: a video file, or a folder of images.
package struct Clip: Sendable, Equatable {
    /// Relative to the data set's root.
    package let path: String
    /// Its class, or the text of its `LabelSet` in data sets of the task `multilabel`.
    package let label: String
    /// The data set's own split, or test if `dataset.test` selected the clip.
    package let split: Split
    /// Clips of one group have a common source and are never divided between splits.
    package let group: String?
    /// Whether `dataset.test` selected it for testing; in the data set itself it is in train.
    package private(set) var isSetAside = false

    /// With the task `multilabel` also the labels that `dataset.classes` leaves out: they decide the split.
    private(set) var listedLabel: String

    package init(path: String, label: String, split: Split, group: String? = nil) {
        (self.path, self.label, self.split, self.group) = (path, label, split, group)
        listedLabel = label
    }

    /// The data set's own split, as stored in caches.
    package var ownSplit: Split { isSetAside ? .train : split }

    /// The clip selected for testing by `dataset.test`.
    var settingAside: Clip { replacing(split: .test, isSetAside: true) }

    var inTraining: Clip { replacing(split: .train, isSetAside: false) }

    /// With fewer labels.
    func keeping(_ label: String) -> Clip { replacing(label: label) }

    /// With other labels. `listed`: also those that `dataset.classes` leaves out; nil are the same.
    func labelled(_ label: String, listed: String? = nil) -> Clip {
        replacing(label: label, listedLabel: listed ?? label)
    }

    private func replacing(
        label: String? = nil, listedLabel: String? = nil, split: Split? = nil, isSetAside: Bool? = nil
    ) -> Clip {
        var clip = Clip(path: path, label: label ?? self.label, split: split ?? self.split, group: group)
        clip.isSetAside = isSetAside ?? self.isSetAside
        clip.listedLabel = listedLabel ?? self.listedLabel
        return clip
    }

    /// Whether a relative path stays inside the folder that it is appended to.
    package static func staysInside(_ path: String) -> Bool {
        !path.isEmpty && !path.hasBytePrefix("/") && !path.utf8.contains(0)
            && !path.splitBytes("/").contains { $0.utf8.elementsEqual("..".utf8) }
    }
}

package enum Split: String, Sendable, CaseIterable { case train, validation, test }

/// A small, evenly spaced sample of a data set for experiments.
package struct ClipSample: Sendable, Equatable {
    /// Maximum number of classes, or of labels, evenly spaced in label order.
    package let classes: Int
    /// Maximum clips per class, evenly spaced, so that each split is represented.
    package let clipsPerClass: Int

    package init(classes: Int, clipsPerClass: Int) { (self.classes, self.clipsPerClass) = (classes, clipsPerClass) }

    /// The sample, in the order of `clips`; with the task `multilabel`, of clips with at least one label.
    package func choose(from clips: [Clip], task: DatasetConfiguration.Task = .classification) -> [Clip] {
        let names = clips.map { task.names(in: $0.label) }
        let labels = Set(Set(names.joined()).sorted().spread(classes))
        var paths: Set<String> = []
        for label in labels {
            let own = zip(clips, names).filter { $0.1.contains(label) }.map(\.0).sorted {
                ($0.split.rawValue, $0.path) < ($1.split.rawValue, $1.path)
            }
            paths.formUnion(own.spread(clipsPerClass).map(\.path))
        }
        return clips.filter { paths.contains($0.path) }
    }
}
