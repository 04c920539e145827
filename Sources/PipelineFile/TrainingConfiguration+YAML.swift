import Datasets
import Escaping
import SequenceModels
import Training

/// The `sequence` section of a pipeline file.
extension TrainingConfiguration {
    static let keys = [
        "backbone", "join", "model", "standardize", "loss", "label_smoothing", "class_weights", "optimizer", "schedule",
        "clip_norm", "batch_size", "epochs", "early_stopping", "checkpoint", "average_views", "weights", "seed",
        "folds", "repeats", "calibrate", "pos_weight", "gamma", "positive",
    ]

    init(section: PipelineReader, validation: Double, views: Int, task: DatasetConfiguration.Task) throws {
        self.init(model: try HeadConfiguration(section), validation: validation)
        try readLoss(section, task)
        self.views = views
        standardize = try section.boolean("standardize") ?? standardize
        (optimizer, schedule) = try (Optimizer(section), Schedule(section))
        clipNorm = try section.number("clip_norm", in: Ranges.clipNorm)
        labelSmoothing = try section.number("label_smoothing", in: Ranges.labelSmoothing) ?? labelSmoothing
        batchSize = try section.integer("batch_size", in: Ranges.batchSize) ?? batchSize
        epochs = try section.integer("epochs", in: Ranges.epochs) ?? epochs
        earlyStopping = try EarlyStopping(section)
        if task == .classification, earlyStopping?.monitor == .validationMAP {
            throw section.invalid("early_stopping", "monitors `validation_map`, which needs `dataset.task: multilabel`")
        }
        checkpoint = try section.integer("checkpoint", in: Ranges.checkpoint) ?? checkpoint
        averagesViews = try section.boolean("average_views") ?? averagesViews
        initialWeights = try section.string("weights")
        seed = try section.integer("seed", in: 0...Int.max) ?? seed
        folds = try section.integer("folds", in: Ranges.folds)
        repeats = try section.integer("repeats", in: Ranges.repeats)
        calibrates = try section.boolean("calibrate")
        if model.kind.readsTexts {
            try section.forbid(
                ["standardize"],
                "does not apply to `\(model.kind.rawValue)`: text embeddings are compared with unscaled features")
        }
        if model.kind == .zeroShot {
            try section.forbid(
                [
                    "loss", "gamma", "label_smoothing", "class_weights", "pos_weight", "optimizer", "schedule",
                    "clip_norm", "batch_size", "epochs", "early_stopping", "checkpoint", "weights", "folds", "repeats",
                ], "does not apply to `zero_shot`, which is not trained")
            epochs = 0
        }
        if folds == nil { try section.forbid(["repeats"], "needs `sequence.folds`") }
        if averagesViews && views == 1 { throw section.invalid("average_views", "needs `extract.views` above 1") }
    }
}

extension TrainingConfiguration {
    /// The loss, and what applies to the data set's task only.
    private mutating func readLoss(_ section: PipelineReader, _ task: DatasetConfiguration.Task) throws {
        switch task {
        case .classification:
            _ = try section.choice("loss", ["cross_entropy"])
            try section.forbid(
                ["pos_weight", "gamma"], "needs `dataset.task: multilabel`; for classes there is `class_weights`")
            classWeights = try ClassWeights(section, "class_weights")
            positive = try section.string("positive")
        case .multilabel:
            self.task = .multilabel
            let loss = try section.choice("loss", ["binary_cross_entropy", "focal"])
            try section.forbid(
                ["class_weights"], "does not apply to `dataset.task: multilabel`; use `pos_weight`")
            try section.forbid(
                ["positive"], "needs one class a clip; with `dataset.task: multilabel` every label has its own metrics"
            )
            if section.has("pos_weight") { positiveWeights = try ClassWeights(section, "pos_weight") }
            if loss != "focal" { try section.forbid(["gamma"], "needs `loss: focal`") }
            if loss == "focal" { focal = try section.number("gamma", in: Ranges.focal) ?? 2 }
        }
    }
}

extension TrainingConfiguration.EarlyStopping {
    init?(_ section: PipelineReader) throws {
        guard let reader = try section.section("early_stopping", keys: ["monitor", "patience"]) else { return nil }
        self.init(
            monitor: try reader.choice("monitor", TrainingConfiguration.Monitor.self) ?? .validationLoss,
            patience: try reader.required("patience") {
                try reader.integer($0, in: TrainingConfiguration.Ranges.patience)
            })
    }
}

extension TrainingConfiguration.ClassWeights {
    /// `balanced`, or a weight for each class.
    init(_ section: PipelineReader, _ key: String) throws {
        if (try? section.string(key)) != nil {
            self = try section.choice(key, ["equal", "balanced"]) == "balanced" ? .balanced : .equal
        } else if let reader = try section.section(key, keys: nil) {
            var weights: [String: Double] = [:]
            for label in reader.names {
                weights[label] = try reader.number(label, in: TrainingConfiguration.Ranges.classWeight)
            }
            self = .named(weights)
        } else {
            self = .equal
        }
    }
}

extension HeadConfiguration {
    init(_ section: PipelineReader) throws {
        let keys = [
            "kind", "hidden", "layers", "projection", "dropout", "dense", "heads", "feed_forward", "prompts",
            "templates", "text", "vocabulary",
        ]
        let reader = try section.required("model") { try section.section($0, keys: keys) }
        let kind = try reader.required("kind") { try reader.choice($0, Kind.self) }
        let meaningless = keys.filter { $0 != "kind" && !kind.options.contains($0) }
        try reader.forbid(meaningless, "does not apply to the head `\(kind.rawValue)`")
        let sizes = Ranges.sizes
        var hidden = try reader.integers("hidden", in: sizes) ?? [kind == .transformer ? 128 : 64]
        if let layers = try reader.integer("layers", in: Ranges.layers) {
            if hidden.count == 1 { hidden = Array(repeating: hidden[0], count: layers) }
            if hidden.count != layers {
                throw reader.invalid("layers", "is \(layers), but `hidden` lists \(hidden.count)")
            }
        }
        if !kind.options.contains("layers") && hidden.count > 1 {
            throw reader.invalid("hidden", "must be a single number for the head `\(kind.rawValue)`")
        }
        let heads = try reader.integer("heads", in: Ranges.heads)
        if kind == .transformer {
            if Set(hidden).count > 1 { throw reader.invalid("hidden", "must be the same in every layer") }
            if hidden[0] % (heads ?? 4) != 0 {
                throw reader.invalid("hidden", "is \(hidden[0]), which is not a multiple of \(heads ?? 4) heads")
            }
        }
        self.init(
            kind: kind, hidden: hidden, projection: try reader.integer("projection", in: sizes),
            dropout: try reader.number("dropout", in: Ranges.dropout) ?? 0,
            dense: try reader.integer("dense", in: sizes), heads: heads,
            feedForward: try reader.integer("feed_forward", in: sizes))
        try readTexts(reader)
    }

    /// Text prompts of classes, for heads that start from class names.
    private mutating func readTexts(_ reader: PipelineReader) throws {
        if let section = try reader.section("prompts", keys: nil) {
            var all: [String: [String]] = [:]
            for label in section.names {
                let own = try section.stringOrStrings(label) ?? []
                guard !own.isEmpty, own.allSatisfy({ $0.contains { !$0.isWhitespace } }) else {
                    throw section.invalid(label, "must be a phrase, or a list of them")
                }
                all[label] = own
            }
            prompts = all
        }
        templates = try reader.strings("templates")
        if let templates, templates.isEmpty || !templates.allSatisfy({ $0.containsBytes("{}") }) {
            throw reader.invalid("templates", "must be a list of texts with `{}` in place of the class name")
        }
        text = try reader.string("text")
        vocabulary = try reader.string("vocabulary")
    }
}

extension Optimizer {
    /// Keys that apply to each kind.
    private static let options: [Kind: [String]] = [
        .sgd: ["momentum", "nesterov"], .adam: ["epsilon", "betas"], .adamw: ["epsilon", "betas"],
        .rmsprop: ["momentum", "alpha", "epsilon"],
    ]

    init(_ section: PipelineReader) throws {
        let special = ["momentum", "nesterov", "betas", "alpha", "epsilon"]
        let keys = ["kind", "learning_rate", "weight_decay"] + special
        guard let reader = try section.section("optimizer", keys: keys) else {
            self.init(kind: .adam, learningRate: 1e-3)
            return
        }
        let kind = try reader.choice("kind", Kind.self) ?? .adam
        let own = Self.options[kind] ?? []
        try reader.forbid(special.filter { !own.contains($0) }, "does not apply to `\(kind.rawValue)`")
        let betas = try reader.numbers("betas", count: 2) { (0..<1).contains($0) }
        self.init(
            kind: kind,
            learningRate: try reader.number("learning_rate", in: Self.rateRange) ?? (kind == .sgd ? 1e-2 : 1e-3))
        momentum = try reader.number("momentum", in: Self.decayRange) ?? momentum
        nesterov = try reader.boolean("nesterov") ?? nesterov
        weightDecay = try reader.number("weight_decay", in: Self.weightDecayRange) ?? (kind == .adamw ? 0.01 : 0)
        if let betas { (beta1, beta2) = (Double(betas[0]), Double(betas[1])) }
        alpha = try reader.number("alpha", in: Self.decayRange) ?? alpha
        epsilon = try reader.number("epsilon", in: Self.rateRange) ?? epsilon
        if nesterov && momentum == 0 { throw reader.invalid("nesterov", "needs `momentum` above 0") }
    }
}

extension Schedule {
    /// Keys that apply to each kind.
    private static let options: [Kind: [String]] = [
        .constant: [], .step: ["every", "factor"], .plateau: ["factor", "patience", "minimum"], .cosine: ["minimum"],
    ]

    init(_ section: PipelineReader) throws {
        let special = ["every", "factor", "patience", "minimum"]
        guard let reader = try section.section("schedule", keys: ["kind", "warm_up"] + special) else {
            self.init()
            return
        }
        let kind = try reader.choice("kind", Kind.self) ?? .constant
        let own = Self.options[kind] ?? []
        try reader.forbid(special.filter { !own.contains($0) }, "does not apply to `\(kind.rawValue)`")
        let every = try reader.integer("every", in: Self.everyRange)
        if kind == .step && every == nil { _ = try reader.required("every") { _ in every } }
        self.init(kind: kind)
        self.every = every ?? self.every
        factor = try reader.number("factor", in: Self.factorRange) ?? factor
        patience = try reader.integer("patience", in: Self.epochRange) ?? patience
        minimum = try reader.number("minimum", in: Self.minimumRange) ?? minimum
        warmUp = try reader.integer("warm_up", in: Self.epochRange) ?? warmUp
    }
}
