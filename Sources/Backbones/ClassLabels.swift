import Foundation

/// Names of the classes that published networks know.
public enum ClassLabels {
    /// The 1,000 of ImageNet's challenge (Russakovsky et al. 2015), in the order of all publishers, as torchvision names
    /// them.
    public static let imagenet = String(decoding: PackageResources.imagenet_txt, as: UTF8.self)
        .split(separator: "\n").map(String.init)
}
