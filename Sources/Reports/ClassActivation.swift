import Video

package struct ClassActivation: Sendable {
    package struct Frame: Sendable {
        /// In seconds.
        package let time: Double
        /// The network's input image at display size.
        package let image: RGBImage
        /// `[height, width]`, non-negative.
        package let map: [Float]

        package init(time: Double, image: RGBImage, map: [Float]) {
            (self.time, self.image, self.map) = (time, image, map)
        }
    }

    package let video: String
    /// The class or label that the maps explain, with its probability.
    package let label: String
    package let probability: Double
    /// The labels that the clip is predicted to have, most probable first; nil for one class a clip.
    package let predicted: [(label: String, probability: Double)]?
    package let height, width: Int
    /// In order of time.
    package let frames: [Frame]

    package init(
        video: String, label: String, probability: Double, predicted: [(label: String, probability: Double)]? = nil,
        height: Int, width: Int, frames: [Frame]
    ) {
        (self.video, self.label, self.probability, self.predicted) = (video, label, probability, predicted)
        (self.height, self.width, self.frames) = (height, width, frames)
    }

    package func spread(_ count: Int) -> ClassActivation {
        ClassActivation(
            video: video, label: label, probability: probability, predicted: predicted, height: height,
            width: width, frames: frames.spread(count))
    }

    private var largest: Float {
        frames.reduce(0) { largest, frame in frame.map.reduce(largest) { $1.isFinite ? max($0, $1) : $0 } }
    }

    /// Frames overlaid with their maps, which are scaled by the largest value of all frames.
    var overlays: [RGBImage] {
        let largest = largest
        return frames.map { frame in
            let image = frame.image
            let map = upsampled(frame.map, height: height, width: width, to: (image.height, image.width))
            var result = image
            for (index, value) in map.enumerated() {
                // Non-finite values are drawn as 0. Rounding of the interpolation can exceed the largest value.
                let share = largest > 0 && value.isFinite ? max(0, min(1, value / largest)) : 0
                let (color, opacity) = (Inferno.color(share), 0.3 + 0.4 * share)
                for channel in 0..<3 {
                    let old = Float(image.pixels[index * 3 + channel])
                    result.pixels[index * 3 + channel] = UInt8(old + opacity * (Float(color[channel]) - old))
                }
            }
            return result
        }
    }

    /// A sheet with frames above, overlays below, times and a colour bar.
    package func sheet(_ textRenderer: TextRenderer) -> RGBImage {
        let (side, gap, top, foot, bar) = (frames[0].image.width, 6, 58, 24, 74)
        let sideY = frames[0].image.height
        let ink: RGBColor = [28, 36, 48]
        var sheet = RGBImage(
            width: gap + frames.count * (side + gap) + bar, height: top + 2 * (sideY + gap) + foot, [255, 255, 255])
        sheet.draw(textRenderer.mask(title(), size: 20), x: gap, y: 4, ink)
        sheet.draw(textRenderer.mask(video, size: 13), x: gap, y: 34, [91, 102, 117])
        for (index, (frame, overlay)) in zip(frames, overlays).enumerated() {
            let x = gap + index * (side + gap)
            sheet.draw(frame.image, x: x, y: top)
            sheet.draw(overlay, x: x, y: top + sideY + gap)
            sheet.draw(
                textRenderer.mask(decimal(frame.time, 2) + " s", size: 13), x: x, y: top + 2 * (sideY + gap),
                [91, 102, 117])
        }
        let (x, y) = (gap + frames.count * (side + gap) + 6, top + sideY + gap)
        for row in 0..<sideY {
            sheet.fill(x: x, y: y + row, width: 14, height: 1, Inferno.color(1 - Float(row) / Float(sideY - 1)))
        }
        for (text, place) in [("high", 0), ("none", sideY - 18)] {
            sheet.draw(textRenderer.mask(text, size: 13), x: x + 19, y: y + place, ink)
        }
        return sheet
    }

    /// The overlays as an animation with the name of the class, or of the label that they are of.
    package func animation(_ textRenderer: TextRenderer) -> [RGBImage] {
        let caption = predicted == nil ? label : "map of " + label
        return overlays.map { Caption.drawn(on: $0, label: caption, probability: probability, textRenderer) }
    }

    /// Frames per second of the clip's sampled frames; 1 for a single frame.
    package var frameRate: Double {
        let span = (frames.last?.time ?? 0) - (frames.first?.time ?? 0)
        return span > 0 ? Double(frames.count - 1) / span : 1
    }

    /// What the maps are of: the class, or one label beside all predicted ones.
    package func title(separator: String = "  ") -> String {
        let own = label + separator + percent(probability)
        return predicted.map { "map of \(own); predicted: \(Caption.labels($0).label)" } ?? own
    }
}

/// Draws a class and its probability on an image.
package enum Caption {
    /// The caption of several labels, which are in order, with their probabilities.
    package static func labels(
        _ labels: [(label: String, probability: Double)]
    ) -> (label: String, probability: Double, figure: String?) {
        let text = labels.map { "\($0.label) \(percent($0.probability))" }.joined(separator: ", ")
        return (labels.isEmpty ? "no label" : text, labels.first?.probability ?? 0, "")
    }

    /// The image with a dark bar at its lower edge: the class, and its probability as number and line. `figure`:
    /// replaces the probability in percent, which the line still shows.
    package static func drawn(
        on image: RGBImage, label: String, probability: Double, figure: String? = nil, _ textRenderer: TextRenderer
    ) -> RGBImage {
        let size = max(11, min(28, image.height / 14))
        let height = size * 7 / 4
        var result = image
        let y = image.height - height
        result.fill(x: 0, y: y, width: image.width, height: height, [0, 0, 0], opacity: 0.62)
        let number = textRenderer.mask(figure ?? percent(probability), size: size)
        let name = textRenderer.mask(label, size: size)
        result.draw(name, x: size / 2, y: y, [255, 255, 255])
        let x = image.width - number.width - size / 2
        // Keeps the number readable if a long name overlaps it.
        if size / 2 + name.width > x - size / 3 {
            result.fill(
                x: x - size / 3, y: y, width: image.width - x + size / 3, height: height, [0, 0, 0], opacity: 0.62)
        }
        result.draw(number, x: x, y: y, [255, 255, 255])
        let line = max(2, size / 5)
        result.fill(
            x: 0, y: image.height - line,
            width: Int(Double(image.width) * (probability.isFinite ? max(0, min(1, probability)) : 0)), height: line,
            [59, 130, 246])
        return result
    }
}
