package enum ClassLabels {
    /// The 1,000 classes of ImageNet-1k (Russakovsky et al. 2015) in the usual order, with torchvision's names.
    package static let imagenet = String(decoding: PackageResources.imagenet_txt, as: UTF8.self)
        .split(separator: "\n").map(String.init)

    /// The 400 classes of Kinetics-400 (Kay et al. 2017, arXiv:1705.06950), alphabetically, as in torchvision and I3D.
    package static let kinetics400 = String(decoding: PackageResources.kinetics400_txt, as: UTF8.self)
        .split(separator: "\n").map(String.init)

    /// The classes of the data set with `count` classes; nil if none is known.
    package static func published(count: Int) -> [String]? { [imagenet, kinetics400].first { $0.count == count } }
}
