import Foundation
import NeuralNetwork

/// `Resize` of constants, such as position embeddings, one axis at a time.
extension GraphImporter {
    mutating func resizedConstant(_ call: Call) throws -> ConstantTensor {
        let tensor = try loaded(call, 0)
        func text(_ name: String, _ standard: String) -> String {
            call.attribute(name).map { String(decoding: $0.s, as: UTF8.self) } ?? standard
        }
        func numbers(_ index: Int) throws -> [Float]? {
            guard let constant = call.constant(index), (1...ShapeLimits.rank).contains(constant.count) else {
                return nil
            }
            return try constant.load().numbers
        }
        let rank = tensor.shape.count
        let scales = try numbers(2)
        let sizes =
            try numbers(3)?.map { Self.place(Double($0)) }
            ?? scales.map { zip(tensor.shape, $0).map { Self.place(Double(Float($0) * $1)) } }
        guard let sizes, sizes.count == rank, scales.map({ $0.count == rank }) ?? true,
            call.integer("antialias", 0) == 0, call.integer("exclude_outside", 0) == 0
        else { throw Refused("its resize options are not supported") }
        _ = try Self.checked(sizes)
        let resampling = Resampling(
            mode: text("mode", "nearest"), coordinates: text("coordinate_transformation_mode", "half_pixel"),
            rounding: text("nearest_mode", "round_prefer_floor"), a: call.number("cubic_coeff_a", -0.75))
        var result = ConstantTensor(shape: tensor.shape, numbers: tensor.numbers)
        for axis in 0..<rank where sizes[axis] != tensor.shape[axis] {
            guard sizes[axis] > 0, tensor.shape[axis] > 0 else { throw Refused("it resizes to an empty tensor") }
            // For each output index along the axis, its weighted input indices.
            var shape = result.shape
            shape[axis] = sizes[axis]
            try spend(shape)
            try spend([sizes[axis]], times: 32)
            let scale = scales.map { Double($0[axis]) } ?? Double(sizes[axis]) / Double(tensor.shape[axis])
            let rows = try (0..<sizes[axis]).map {
                try resampling.weights($0, of: tensor.shape[axis], to: sizes[axis], scale: scale)
            }
            result = Self.mixed(result, along: axis, rows)
        }
        return result
    }

    /// Linear combinations of elements along an axis.
    private static func mixed(
        _ tensor: ConstantTensor, along axis: Int, _ rows: [[(place: Int, weight: Double)]]
    ) -> ConstantTensor {
        var shape = tensor.shape
        let (outer, length) = (shape[..<axis].reduce(1, *), shape[axis])
        let inner = shape[(axis + 1)...].reduce(1, *)
        shape[axis] = rows.count
        let old = tensor.numbers
        var new: [Float] = []
        new.reserveCapacity(outer * rows.count * inner)
        for block in 0..<outer {
            for row in rows {
                for index in 0..<inner {
                    let sum = row.reduce(0.0) {
                        $0 + $1.weight * Double(old[(block * length + $1.place) * inner + index])
                    }
                    new.append(Float(sum))
                }
            }
        }
        return ConstantTensor(shape: shape, numbers: new)
    }
}

/// The coordinate of an output index in the input, with interpolation weights.
private struct Resampling {
    let mode, coordinates, rounding: String
    let a: Double

    func weights(_ place: Int, of old: Int, to new: Int, scale: Double) throws -> [(place: Int, weight: Double)] {
        let x: Double
        switch coordinates {
        case "half_pixel": x = (Double(place) + 0.5) / scale - 0.5
        case "pytorch_half_pixel": x = new > 1 ? (Double(place) + 0.5) / scale - 0.5 : 0
        case "align_corners": x = new > 1 ? Double(place) * Double(old - 1) / Double(new - 1) : 0
        case "asymmetric": x = Double(place) / scale
        default: throw GraphImporter.Refused("its coordinate transformation is \(coordinates)")
        }
        func inside(_ index: Int) -> Int { min(max(index, 0), old - 1) }
        let below = GraphImporter.place(x.rounded(.down))
        let share = x - x.rounded(.down)
        switch mode {
        case "nearest":
            switch rounding {
            case "floor": return [(inside(below), 1)]
            case "ceil": return [(inside(GraphImporter.place(x.rounded(.up))), 1)]
            case "round_prefer_ceil": return [(inside(GraphImporter.place((x + 0.5).rounded(.down))), 1)]
            default: return [(inside(GraphImporter.place((x - 0.5).rounded(.up))), 1)]
            }
        case "linear": return [(inside(below), 1 - share), (inside(below &+ 1), share)]
        case "cubic": return (-1...2).map { (inside(below &+ $0), cubic(abs(share - Double($0)))) }
        default: throw GraphImporter.Refused("its resize mode is \(mode)")
        }
    }

    private func cubic(_ x: Double) -> Double {
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
    }
}
