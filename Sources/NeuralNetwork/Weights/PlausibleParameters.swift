/// The parameters of an encoder's weight file, each refused if no trained network can have its values. Many formats have no
/// checksum, so this is the one sign of damage that is always there.
public struct PlausibleParameters: ParameterSource {
    private let file: any Checkpoint

    /// Of a file that was opened.
    public init(_ file: any Checkpoint) { self.file = file }

    /// - Throws: `WeightsError.mismatch` as the file does, `.malformed` if the tensor holds NaN, infinity or values above 1e18,
    ///   is a negative variance, or a quantised weight.
    public func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        let tensor = try file.tensor(for: parameter)
        if let reason = tensor.implausible ?? Self.unusable(tensor, parameter.name) {
            throw WeightsError.malformed(file: file.path, reason: "\(parameter.name) \(reason)")
        }
        return tensor
    }

    /// Why a finite tensor is no parameter of a layer.
    private static func unusable(_ tensor: Tensor, _ name: String) -> String? {
        if name.hasSuffix("running_var"), let least = tensor.values.min(), least < 0 {
            return "holds negative variances, down to \(least)"
        }
        guard tensor.shape.count > 1, tensor.values.count >= 64, tensor.values.largestMagnitude > 2,
            tensor.values.allSatisfy({ $0 == $0.rounded() })
        else { return nil }
        return
            "holds only integers, up to \(Int(tensor.values.largestMagnitude)), as quantised weights do without their scales; "
            + "save it dequantised"
    }
}

extension Tensor {
    /// Trained parameters are far smaller. A flipped upper bit of an exponent makes a weight of 0.01 one of 3e36.
    private static let largestWeight: Float = 1e18

    /// Why these cannot be a trained network's parameters, such as `holds NaN or infinity`; nil if they can.
    package var implausible: String? {
        if !values.areFinite { return "holds NaN or infinity" }
        let largest = values.largestMagnitude
        return largest > Self.largestWeight ? "holds values up to \(largest), which no trained network has" : nil
    }
}
