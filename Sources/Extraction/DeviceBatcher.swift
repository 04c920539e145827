import ONNXRuntime
import Threads

/// Collects frames of many threads into GPU batches of one size.
final class DeviceBatcher: Sendable {
    /// Frames, or windows, per batch.
    let batch: Int
    /// Bytes of one frame or window.
    let imageBytes: Int
    private let state = Condition(State())

    private struct State {
        var waiting: [Request] = []
        var (ready, running) = (0, 0)
        var error: (any Error)?
        var isStopped = false
    }

    /// The frames that one thread waits for.
    fileprivate final class Request {
        let images: [[UInt8]]
        let count: Int
        var rows: [Int: [Float]] = [:]
        var (taken, finished) = (0, 0)
        var error: (any Error)?

        init(images: [[UInt8]], count: Int) { (self.images, self.count) = (images, count) }
    }

    /// Some frames of a request.
    ///
    /// `@unchecked Sendable`: only immutable properties of the request are read without the lock.
    struct Piece: @unchecked Sendable {
        fileprivate let request: Request
        let first: Int
        let count: Int
    }

    init(batch: Int, imageBytes: Int) { (self.batch, self.imageBytes) = (batch, imageBytes) }

    // MARK: - Decoding threads

    /// Waits for and returns the features of frames. `images`: frames, or the frames of windows in order. Throws the
    /// error of the computing thread.
    func features(of images: [[UInt8]]) throws -> [Float] {
        let bytes = images.reduce(0) { $0 + $1.count }
        precondition(bytes % imageBytes == 0 && bytes > 0)
        let request = Request(images: images, count: bytes / imageBytes)
        state.update { $0.waiting.append(request) }
        return try state.wait { state in
            if request.finished < request.count {
                if let error = state.error { throw error }
                return nil
            }
            if let error = request.error { throw error }
            return request.rows.sorted { $0.key < $1.key }.flatMap(\.value)
        }
    }

    /// Waits until `count` threads are ready, or throws the error that prevented one.
    func waitUntilReady(_ count: Int) throws {
        _ = try state.wait { state in
            if let error = state.error { throw error }
            return state.ready >= count ? true : nil
        }
    }

    /// Stops the computing threads and waits for them.
    func stop() {
        state.update { $0.isStopped = true }
        _ = state.wait { $0.running == 0 ? true : nil }
    }

    // MARK: - Computing threads

    /// Registers a computing thread; `end` must follow.
    func begin() { state.update { $0.running += 1 } }

    func addReady() { state.update { $0.ready += 1 } }

    /// Waits for and returns the oldest frames, at most a batch; nil after `stop`.
    func take() -> [Piece]? {
        let pieces = state.wait { state -> [Piece]? in
            if state.isStopped { return [] }
            if state.waiting.isEmpty { return nil }
            var pieces: [Piece] = []
            var filled = 0
            while filled < batch, let request = state.waiting.first {
                let count = min(batch - filled, request.count - request.taken)
                pieces.append(Piece(request: request, first: request.taken, count: count))
                (filled, request.taken) = (filled + count, request.taken + count)
                if request.taken == request.count { state.waiting.removeFirst() }
            }
            return pieces
        }
        return pieces.isEmpty ? nil : pieces
    }

    /// - `result`: feature rows of all pieces, concatenated.
    func finish(_ pieces: [Piece], _ result: Result<[Float], any Error>) {
        state.update { _ in
            var place = 0
            let size = pieces.reduce(0) { $0 + $1.count }
            for piece in pieces {
                switch result {
                case .success(let rows):
                    let row = rows.count / size
                    piece.request.rows[piece.first] = Array(rows[place * row..<(place + piece.count) * row])
                case .failure(let error): piece.request.error = error
                }
                piece.request.finished += piece.count
                place += piece.count
            }
        }
    }

    func fail(_ error: any Error) { state.update { $0.error = $0.error ?? error } }

    func end() { state.update { $0.running -= 1 } }
}

extension DeviceBatcher.Piece {
    /// Copies the frames into the input, from frame `place` on.
    func copy(of size: Int, to exchange: RuntimeExchange, at place: Int) {
        let (lower, upper) = (first * size, (first + count) * size)
        var start = 0
        for image in request.images {
            let (from, to) = (max(lower, start), min(upper, start + image.count))
            if from < to { exchange.write(image[from - start..<to - start], at: place * size + from - lower) }
            start += image.count
        }
    }
}
