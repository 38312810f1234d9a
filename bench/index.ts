// The public face of @sluice/bench: the command, and what it is made of.

export { BARE_FORMS, type BareForm } from './bare-loop/commit-loop.js'
export { RUN_DEFAULTS, runWorkload, type RunSettings } from './bench-run.js'
export { BenchError } from './bench-error.js'
export { benchCommand, runBench } from './command.js'
export { type RunAction } from './commands/options.js'
export { compareResults, COMPARISON_FORMAT, type Comparison, type CompareOptions, type MetricComparison } from './compare/compare-results.js'
export { RATE_FORMAT, type RateResult } from './find-rate/find-rate.js'
export { LIMIT_FORMAT, type LimitResult } from './limit/limit-result.js'
export { readResults, type Measured } from './read-results.js'
export { SWEEP_FORMAT, type SweepResult } from './sweep/sweep-result.js'
export { type LatencySummary } from './measure/latency-recorder.js'
export { type Machine, type Source } from './measure/machine.js'
export { type ProcessUsage } from './measure/process-probe.js'
export { type QueueOrder, type QueueWorkload } from './queue-workload.js'
export { reportTable } from './report.js'
export { RESULT_FORMAT, type BenchResult, type ContenderSummary, type Ratio, type Sample, type Spread } from './result.js'
export {
  type AwaitSendWorkload, type BacklogWorkload, type EndToEndWorkload, type FetchWorkload, type MessagingWorkload,
  type ProduceWorkload, type Workload,
} from './workload.js'
