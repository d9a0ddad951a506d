import Kernels

/// Sets how many threads the library computes on, the calling one among them; all processors that the process may use
/// unless set. Results do not depend on it; plans have scratch memory for as many threads as there were when they were
/// compiled.
public func setThreadCount(_ count: Int) { ThreadPool.setSharedThreadCount(count) }
