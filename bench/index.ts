// The public face of @sluice/bench: the command, and what it is made of.

export { BARE_FORMS, type BareForm } from './bare-loop/commit-loop.js'
export { RUN_DEFAULTS, runWorkload, type RunSettings } from './bench-run.js'
export { benchCommand, runBench } from './command.js'
export { type LatencySummary } from './measure/latency-recorder.js'
export { type Machine, type Source } from './measure/machine.js'
export { type ProcessUsage } from './measure/process-probe.js'
export { reportTable } from './report.js'
export { RESULT_FORMAT, type BenchResult, type ContenderSummary, type Ratio, type Sample, type Spread } from './result.js'
export { type AwaitSendWorkload, type EndToEndWorkload, type FetchWorkload, type ProduceWorkload, type Workload } from './workload.js'
