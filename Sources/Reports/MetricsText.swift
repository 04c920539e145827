import SequenceModels

/// Metrics as the terminal shows them.
extension Metrics {
    /// One line for each k that says something: accuracy, and top-k where there are more classes.
    public func summary(top: [Int]) -> String {
        var table = TextTable([("measure", .left), ("value", .right)])
        table.append(["clips", grouped(count)])
        table.append(["loss", decimal(loss, 4)])
        table.append(["accuracy", percent(accuracy)])
        for k in top where k > 1 && k < labels.count { table.append(["top-\(k)", percent(accuracy(top: k))]) }
        return table.text
    }

    /// Clips, correct ones and accuracy of each class, and what it is most often taken for.
    public var perClassTable: String {
        var table = TextTable([
            ("class", .left), ("clips", .right), ("correct", .right), ("accuracy", .right),
            ("most often taken for", .left),
        ])
        for (index, label) in labels.enumerated() {
            let (count, correct) = perClass(index)
            let mistakes = confusion[index].enumerated().filter { $0.offset != index && $0.element > 0 }
            let worst = mistakes.max { ($0.element, -$0.offset) < ($1.element, -$1.offset) }
            table.append([
                label, "\(count)", "\(correct)", count > 0 ? percent(Double(correct) / Double(count)) : "–",
                worst.map { "\(labels[$0.offset]) (\($0.element))" } ?? "",
            ])
        }
        return table.text
    }

    /// Rows are true classes, columns predicted ones, both numbered as the rows are.
    public var confusionTable: String { confusionText.text }

    var confusionText: TextTable {
        let numbers = labels.indices.map { (heading: "\($0 + 1)", alignment: TextTable.Alignment.right) }
        var table = TextTable([("", .right), ("true \\ predicted", .left)] + numbers)
        for (index, row) in confusion.enumerated() {
            table.append(["\(index + 1)", labels[index]] + row.map { $0 == 0 ? "·" : "\($0)" })
        }
        return table
    }
}
