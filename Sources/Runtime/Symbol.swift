package struct Symbol: Sendable {}
