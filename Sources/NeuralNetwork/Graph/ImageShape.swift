/// Channels and size of a value; vectors are images of one pixel. If no window spans several frames, frames count as
/// images of the batch: with channels last their memory layout is the same.
package struct ImageShape {
    package var size: Int { channels * pixels }
    package var pixels: Int { frames * height * width }
    package let channels, frames, height, width: Int

    package init(_ shape: Graph.Shape) {
        switch shape {
        case .clip(let channels, let frames, let height, let width):
            (self.channels, self.frames, self.height, self.width) = (channels, frames, height, width)
        case .image(let channels, let height, let width):
            (self.channels, frames, self.height, self.width) = (channels, 1, height, width)
        case .vector(let size), .sequence(let size): (channels, frames, height, width) = (size, 1, 1, 1)
        case .tokens(let count, let size): (channels, frames, height, width) = (size, 1, count, 1)
        }
    }
}

extension Graph.Shape {
    /// Whether it is an image or consecutive frames, rather than a vector.
    package var isPicture: Bool {
        switch self {
        case .image, .clip: true
        case .vector, .sequence, .tokens: false
        }
    }
}
