import Kernels

/// Sets how many threads the library computes on, the calling one among them; all processors that the process may use
/// unless set. Results do not depend on it.
public func setThreadCount(_ count: Int) { ThreadPool.setSharedThreadCount(count) }
