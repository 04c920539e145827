/// A first-in, first-out queue between threads.
package final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State {
        var waiting: [Element] = []
        var producers: Int
        var error: (any Error)?
        var isStopped = false
    }

    private let state: Condition<State>
    private let capacity: Int

    package init(producers: Int, capacity: Int) {
        state = Condition(State(producers: producers))
        self.capacity = capacity
    }

    /// Waits for space. Returns false if no more elements are needed.
    package func put(_ element: Element) -> Bool {
        state.wait { state in
            if state.isStopped { return false }
            guard state.waiting.count < capacity else { return nil }
            state.waiting.append(element)
            return true
        }
    }

    /// Must be called once by each producer. An error stops the others.
    package func finish(_ error: (any Error)? = nil) {
        state.update { state in
            state.producers -= 1
            guard let error, state.error == nil else { return }
            (state.error, state.isStopped) = (error, true)
        }
    }

    /// Waits for elements, at least one and at most `most`; nil if all producers have finished. Throws the first error
    /// of a producer, after the elements that were put.
    package func take(most: Int = 1) throws -> [Element]? {
        let taken = try state.wait { state -> [Element]? in
            if state.waiting.isEmpty {
                guard state.producers == 0 else { return nil }
                if let error = state.error { throw error }
            }
            let taken = Array(state.waiting.prefix(most))
            state.waiting.removeFirst(taken.count)
            return taken
        }
        return taken.isEmpty ? nil : taken
    }

    /// Drops all elements, stops the producers and waits for them.
    package func stop() {
        state.update { ($0.waiting, $0.isStopped) = ([], true) }
        _ = state.wait { $0.producers == 0 ? true : nil }
    }
}
