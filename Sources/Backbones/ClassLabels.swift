import Foundation

/// Names of the classes that published networks know.
public enum ClassLabels {
    /// The 1,000 of ImageNet's challenge (Russakovsky et al. 2015), in the order of all publishers, as torchvision names
    /// them.
    public static let imagenet = String(decoding: PackageResources.imagenet_txt, as: UTF8.self)
        .split(separator: "\n").map(String.init)

    /// The 400 of Kinetics (Kay et al. 2017, arXiv:1705.06950), in the order of their names, as torchvision and I3D have
    /// them.
    public static let kinetics400 = String(decoding: PackageResources.kinetics400_txt, as: UTF8.self)
        .split(separator: "\n").map(String.init)

    /// The classes of the data set that has so many; nil where none is known.
    public static func published(count: Int) -> [String]? {
        [imagenet, kinetics400].first { $0.count == count }
    }
}
