import Testing
import Training

/// Rates that `torch.optim.lr_scheduler` printed for a base rate of 0.4.
@Suite struct ScheduleTests {
  private func expectRates(_ schedule: LearningRateSchedule, _ expected: [Double]) {
    for (step, rate) in expected.enumerated() {
      let found = schedule.rate(atStep: step, of: expected.count, base: 0.4)
      #expect(abs(found - rate) <= 1e-7 * rate, "step \(step): \(found), not \(rate)")
    }
  }

  @Test func oneCycle() {
    // OneCycleLR(max_lr=0.4, pct_start=0.3, div_factor=25, final_div_factor=1e4, cycle_momentum=False)
    expectRates(
      .init(.oneCycle),
      [
        0.016, 0.0526687371, 0.148668737, 0.267331263, 0.363331263, 0.4, 0.394985602, 0.380193853, 0.356366471,
        0.324698262, 0.286777201, 0.244504809, 0.2000008, 0.155496791, 0.113224399, 0.0753033384, 0.043635129,
        0.0198077472, 0.00501599751, 1.6e-06,
      ])
    expectRates(
      .init(.oneCycle), [0.016, 0.392222651, 0.367617751, 0.269073535, 0.14309551, 0.0397187168, 1.6e-06])
  }

  @Test func oneCycleOfFewStepsHasUsefulRates() {
    // PyTorch's peak then lies before the first step; a training of one step must not be wasted at the lowest rate.
    for total in 1...3 {
      let rates = (0..<total).map { LearningRateSchedule(.oneCycle).rate(atStep: $0, of: total, base: 0.4) }
      #expect(rates.allSatisfy { $0 >= 1.6e-6 && $0 <= 0.4 } && abs(rates[0] - 0.016) < 1e-15, "\(rates)")
    }
  }

  @Test func cosine() {
    // CosineAnnealingLR(T_max=12)
    expectRates(
      .init(.cosine),
      [
        0.4, 0.393185165, 0.373205081, 0.341421356, 0.3, 0.251763809, 0.2, 0.148236191, 0.1, 0.0585786438,
        0.0267949192, 0.00681483474,
      ])
  }

  @Test func warmUpThenCosine() {
    // LinearLR(start_factor=0.25, total_iters=3) for 4 steps, then CosineAnnealingLR(T_max=8)
    expectRates(
      .init(.cosine, warmUpSteps: 4),
      [
        0.1, 0.2, 0.3, 0.4, 0.4, 0.384775907, 0.341421356, 0.276536686, 0.2, 0.123463314, 0.0585786438, 0.0152240935,
      ])
  }

  @Test func step() {
    // StepLR(step_size=4, gamma=0.1)
    expectRates(.init(.step), [0.4, 0.4, 0.4, 0.4, 0.04, 0.04, 0.04, 0.04, 0.004, 0.004, 0.004, 0.004])
  }

  @Test func stepChangesAtThirdsOfAnyLength() {
    for total in 3...200 {
      for step in 0..<total {
        let rate = LearningRateSchedule(.step).rate(atStep: step, of: total, base: 1)
        let expected = 3 * step < total ? 1 : 3 * step < 2 * total ? 0.1 : 0.01
        #expect(abs(rate - expected) < 1e-12, "step \(step) of \(total)")
      }
    }
  }

  @Test func constant() {
    expectRates(.init(.constant), [0.4, 0.4, 0.4])
    expectRates(.init(.constant, warmUpSteps: 2), [0.2, 0.4, 0.4, 0.4])
  }

  @Test func beyondItsEndAScheduleStaysInBounds() {
    for shape in LearningRateSchedule.Shape.allCases {
      let rate = LearningRateSchedule(shape).rate(atStep: 25, of: 20, base: 0.4)
      #expect(rate >= 0 && rate <= 0.4)
    }
  }
}
