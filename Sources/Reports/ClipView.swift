import Datasets
import Extraction
import FeatureCache
import Foundation
import Video

/// A clip in a report with its label, prediction and frames.
struct ClipView {
    struct Frame {
        /// JPEG as a `data:` URI.
        let uri: String
        let time: String
        let weight: Weight?
    }

    struct Weight { let width, share: String }

    struct Bar {
        let label, width, number: String
        /// `true` for the true class, `false` for a wrong prediction, otherwise empty.
        let kind: String
    }

    let path, truth, predicted: String
    let isWrong: Bool
    /// Between the wrong prediction and the truth.
    var relation = "instead of"
    /// Why there are no frames.
    let problem: String?
    let frames: [Frame]
    let bars: [Bar]

    var content: [String: Any] {
        Page.present([
            "path": path, "truth": truth, "predicted": predicted, "isWrong": isWrong, "relation": relation,
            "problem": problem,
            "frames": frames.map { Page.present(["uri": $0.uri, "time": $0.time, "weight": $0.weight]) }, "bars": bars,
        ])
    }
}

extension ClipView {
    /// - `labels`: classes in the order of the probabilities.
    init(_ clip: UsedClip, _ prediction: PredictionRecord, labels: [String], strip: FrameStrip) {
        let ranked = zip(labels, prediction.probabilities).sorted { ($1.1, $0.0) < ($0.1, $1.0) }
        var shown = Array(ranked.prefix(5))
        if let own = ranked.first(where: { $0.0 == prediction.label }), !shown.contains(where: { $0.0 == own.0 }) {
            shown.append(own)
        }
        let wrong = prediction.label != prediction.predicted
        let bars = shown.map { label, probability in
            let kind = label == prediction.label ? "true" : wrong && label == prediction.predicted ? "false" : ""
            return Bar(
                label: label, width: decimal(100 * probability, 2) + "%", number: percent(probability), kind: kind)
        }
        self.init(
            path: clip.path, truth: prediction.label, predicted: prediction.predicted, isWrong: wrong,
            problem: strip.problem, frames: strip.frames, bars: bars)
    }
}

extension ClipView.Frame {
    init(_ frame: VideoFrame, weight: ClipView.Weight?) throws {
        uri = "data:image/jpeg;base64," + (try RGBImage(frame).encoded(as: .jpeg(quality: 5)).base64EncodedString())
        time = decimal(frame.time, 2) + " s"
        self.weight = weight
    }
}

/// Thumbnails of the frames that were sampled from a clip.
struct FrameStrip: Sendable {
    let frames: [ClipView.Frame]
    let problem: String?

    static let side = 96

    init(frames: [ClipView.Frame], problem: String?) { (self.frames, self.problem) = (frames, problem) }

    /// `root`: folder of the data set's videos. `weights`: attention weights of all frames, if the head has them.
    /// `limit`: maximum number of frames, evenly spaced.
    init(_ clip: UsedClip, root: String?, recipe: ExtractionRecipe, weights: [Float]?, limit: Int) {
        do {
            guard let root else { throw StripError.unknownRoot }
            let path = root + "/" + clip.path
            // The path comes from a cache, which may be untrusted.
            guard Clip.staysInside(clip.path), try FileDigest.clip(path: path) == clip.digest else {
                throw StripError.otherVideo(path: path)
            }
            var request = recipe.request(digest: clip.digest)
            request.framing = .centerSquare(size: Self.side)
            let all = try openClip(path: path).sample([request])[0].frames
            let weights = weights.flatMap { $0.count == all.count ? $0 : nil }
            let most = weights?.max() ?? 1
            frames = try all.indices.spread(limit).map { index in
                let weight = weights.map { weights in
                    ClipView.Weight(
                        width: decimal(100 * Double(weights[index] / max(most, 1e-9)), 1) + "%",
                        share: percent(Double(weights[index])))
                }
                return try ClipView.Frame(all[index], weight: weight)
            }
            problem = nil
        } catch { (frames, problem) = ([], "No frames: \(error.localizedDescription)") }
    }
}

enum StripError: LocalizedError {
    case unknownRoot, otherVideo(path: String)

    var errorDescription: String? {
        switch self {
        case .unknownRoot: "the videos' folder is unknown. Name it with --root."
        case .otherVideo(let path):
            "\(path) differs from the video that was extracted. Name the folder of the extracted videos with --root."
        }
    }
}
