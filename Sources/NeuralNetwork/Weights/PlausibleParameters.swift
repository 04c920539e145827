/// The parameters of an encoder's weight file. Values that no trained network can have are rejected: many formats have
/// no checksums, so this is the only sign of damage that is always available.
package struct PlausibleParameters: ParameterSource {
    private let file: any Checkpoint

    package init(_ file: any Checkpoint) { self.file = file }

    /// - Throws: the file's `WeightsError.mismatch`; `.malformed` if the tensor holds NaN, infinity, values above 1e18
    ///   or a negative variance, or is a quantised weight.
    package func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        let tensor = try file.tensor(for: parameter)
        if let reason = tensor.implausible ?? Self.unusable(tensor, parameter.name) {
            throw WeightsError.malformed(file: file.path, reason: "\(parameter.name) \(reason)")
        }
        return tensor
    }

    /// Why a finite tensor cannot be a layer's parameter, or nil if it can.
    private static func unusable(_ tensor: Tensor, _ name: String) -> String? {
        if name.hasSuffix("running_var"), let least = tensor.values.min(), least < 0 {
            return "holds negative variances, down to \(least)"
        }
        guard tensor.shape.count > 1, tensor.values.count >= 64, tensor.values.largestMagnitude > 2,
            tensor.values.allSatisfy({ $0 == $0.rounded() })
        else { return nil }
        return
            "holds only integers, up to \(Int(tensor.values.largestMagnitude)), like quantised weights without their "
            + "scales; save it dequantised"
    }
}

extension Tensor {
    /// Trained parameters are far smaller. Flipping a high bit of the exponent turns a weight of 0.01 into 3e36.
    private static let largestWeight: Float = 1e18

    /// Why these cannot be a trained network's parameters, such as `holds NaN or infinity`, or nil if they can.
    package var implausible: String? {
        if !values.areFinite { return "holds NaN or infinity" }
        let largest = values.largestMagnitude
        return largest > Self.largestWeight
            ? "holds values up to \(largest), which are implausible for trained weights" : nil
    }
}
