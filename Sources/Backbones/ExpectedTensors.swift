import NeuralNetwork

extension Backbone {
    /// Sides of patch grids that position embeddings may have.
    package static let grids = 1...256
}

/// The tensors that a backbone needs up to `pooled`, and all that it can have.
struct ExpectedTensors: Sendable {
    let pooled: [Graph.Parameter]
    let all: [String: [Int]]
    /// The name of the backbone's first parameter.
    let anchor: String

    static let all: [ExpectedTensors] = Backbone.all.map(ExpectedTensors.init)

    init(_ backbone: Backbone) {
        let graph = backbone.graph(imageSize: backbone.nativeImageSize)
        pooled = graph.parameters(for: "pooled")
        all = Dictionary(graph.parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        anchor = pooled.first?.name ?? ""
    }

    /// Whether tensors of these shapes include all required parameters; position embeddings may have another grid.
    func fits(_ shapes: [String: [Int]]) -> Bool { !pooled.isEmpty && pooled.allSatisfy { isFound($0, shapes) } }

    func score(_ shapes: [String: [Int]]) -> Int { pooled.count { isFound($0, shapes) } }

    private func isFound(_ parameter: Graph.Parameter, _ shapes: [String: [Int]]) -> Bool {
        shapes[parameter.name] == parameter.shape || parameter.name == Self.positions && grid(of: shapes) != nil
    }

    private static let positions = "pos_embed"

    /// Side of the square grid of the position embeddings; nil if it is the network's own, or if there are none.
    func grid(of shapes: [String: [Int]]) -> Int? {
        guard let own = all[Self.positions], let found = shapes[Self.positions], own.count == 3, found.count == 3,
            own[0] == found[0], own[2] == found[2], own[1] != found[1]
        else { return nil }
        // A class token may have a position before the grid's.
        let front = own[1] - Self.side(own[1]) * Self.side(own[1])
        let side = Self.side(found[1] - front)
        return Backbone.grids.contains(side) && side * side == found[1] - front ? side : nil
    }

    private static func side(_ places: Int) -> Int { places < 1 ? 0 : Int(Double(places).squareRoot()) }

    /// Tensors inside the network's modules, or beside numbered ones, that it lacks: layers of a deeper variant or of
    /// blocks, scales of quantised weights. Classifiers and other heads are outside its modules.
    func leftOver(_ shapes: [String: [Int]]) -> [String] {
        var modules: Set<String> = [], numbered: Set<String> = []
        // Modules with parameters, such as a convolution.
        let layers = Set(pooled.compactMap { $0.name.split(separator: ".").dropLast().joined(separator: ".") })
        for parameter in pooled {
            var parts = parameter.name.split(separator: ".")
            while parts.count > 1 {
                let last = parts.removeLast()
                let module = parts.joined(separator: ".")
                modules.insert(module)
                if Int(last) != nil { numbered.insert(module) }
            }
        }
        return shapes.filter { name, shape in
            guard all[name] == nil else { return false }
            var parts = name.split(separator: ".").map(String.init)
            guard let leaf = parts.popLast(), !Self.buffers.contains(leaf) else { return false }
            if !parts.isEmpty, layers.contains(parts.joined(separator: ".")) { return true }
            guard shape.reduce(1, *) > 1 else { return false }
            // The innermost module that the network has.
            var next = leaf
            while !parts.isEmpty, !modules.contains(parts.joined(separator: ".")) { next = parts.removeLast() }
            if parts.isEmpty { return false }
            let module = parts.joined(separator: ".")
            return numbered.contains(module) ? Int(next) != nil : Self.isInside(module, numbered)
        }.map(\.key)
    }

    /// The outermost modules or tensors that the network does not have.
    func unknownModules(_ shapes: [String: [Int]]) -> Set<String> {
        let modules = Set(
            all.keys.flatMap { name in
                let parts = name.split(separator: ".")
                return parts.indices.dropFirst().map { parts[..<$0].joined(separator: ".") }
            })
        let names = shapes.keys.filter { name in
            all[name] == nil && !Self.buffers.contains(name.split(separator: ".").last.map(String.init) ?? "")
        }
        return Set(
            names.map { name in
                let parts = name.split(separator: ".")
                let known = parts.indices.dropFirst().prefix { modules.contains(parts[..<$0].joined(separator: ".")) }
                return parts.prefix(known.count + 1).joined(separator: ".")
            })
    }

    /// Whether a module is one of several numbered ones, or inside one.
    private static func isInside(_ module: String, _ numbered: Set<String>) -> Bool {
        var parts = module.split(separator: ".")
        while parts.count > 1 {
            let last = parts.removeLast()
            if Int(last) != nil, numbered.contains(parts.joined(separator: ".")) { return true }
        }
        return false
    }

    /// Buffers that are computed from the configuration rather than trained.
    private static let buffers: Set<String> = [
        "position_ids", "relative_position_index", "attn_mask", "causal_mask", "mask", "inv_freq", "total_ops",
        "total_params", "num_batches_tracked",
    ]
}
