extension PublishedWeights {
    /// Facts from torchvision 0.29, keras.applications 3.15 and timm 1.0. Accuracies of timm's files are those of its
    /// `results-imagenet.csv`, at the file's test size; those of Lite3, ConvNeXt-tiny, DINOv2, CLIP and SigLIP are from
    /// the papers and model cards. Sizes of timm's files are computed from their tensors, without the header, which is
    /// less than 0.4 %. Digests of I3D and of files on the hub are those that several independent public projects state
    /// for the file at this address. torchvision's file names end in the first digits of the SHA-256.
    package static let all: [PublishedWeights] =
        String(decoding: PackageResources.published_weights_csv, as: UTF8.self).split(separator: "\n").dropFirst()
        .map { PublishedWeights(row: $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)) }

    /// - Parameter row: the columns of `Tables/published_weights.csv`; a file without a checksum has the server's.
    private init(row: [String]) {
        guard row.count == 11, let publisher = Publisher(rawValue: row[1]), let megabytes = Double(row[4]),
            let top1 = Double(row[6]), let measure = Measure(rawValue: row[7])
        else { preconditionFailure("\(row)") }
        func checksum(_ text: String) -> Checksum {
            let parts = text.split(separator: ":").map(String.init)
            if parts.isEmpty { return .stated }
            return parts[0] == "md5" ? .md5(parts[1]) : .sha256(prefix: parts[1])
        }
        (backbone, self.publisher, file, path) = (row[0], publisher, row[2], row[3])
        (self.megabytes, self.checksum, self.top1) = (megabytes, checksum(row[5]), top1)
        (self.measure, licence) = (measure, row[8])
        (vocabulary, vocabularyChecksum) = (row[9].isEmpty ? nil : row[9], checksum(row[10]))
    }
}
