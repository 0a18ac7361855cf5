/** The plots of docs/benchmarks.md: SVG drawn by Apache ECharts without a browser. */
import { isMeasured, type Line, type MeasuredLine, type Progress } from './line.js'
import { type ChartOptions, renderSvg } from './peers.js'
import { median } from './statistics.js'

/** By name: `p1`, `p2`, … A plot without data is left out. */
export function plotsOf(lines: readonly Line[]): Map<string, string> {
  const measured = lines.filter(isMeasured)
  const plots = new Map<string, string>()
  for (const [name, plot] of Object.entries({ p1: rates, p2: latencies, p5: progress, p9: costs })) {
    const chart = plot(measured.filter(line => line.case.toLowerCase() === name))
    if (chart !== undefined) plots.set(name, renderSvg(withStyle(chart), 760, chart.height))
  }
  return plots
}

interface Chart extends ChartOptions {
  height: number
  title: string
}

function rates(lines: readonly MeasuredLine[]): Chart | undefined {
  if (lines.length === 0) return undefined
  const bars = [
    { name: 'Holdfast', value: Math.round(median(lines.map(({ ours }) => ours))) },
    ...lines.map(({ peer, theirs }) => ({ name: peer, value: Math.round(theirs) })),
  ].sort((a, b) => a.value - b.value)
  return {
    height: 80 + 36 * bars.length,
    title: 'P1: durable writes a second (logarithmic)',
    legend: { show: false },
    grid: { left: 90, right: 60, top: 50, bottom: 50 },
    xAxis: { type: 'log', name: 'writes/s', min: 1000 > bars[0]!.value ? 100 : 1000 },
    yAxis: { type: 'category', data: bars.map(({ name }) => name) },
    series: [
      {
        type: 'bar',
        data: bars.map(({ name, value }) => ({ value, itemStyle: { color: name === 'Holdfast' ? OURS : THEIRS } })),
        label: { show: true, position: 'right', formatter: ({ value }: { value: number }) => grouped(value) },
      },
    ],
  }
}

function latencies(lines: readonly MeasuredLine[]): Chart | undefined {
  const known = lines.filter(line => line.quantiles !== undefined)
  if (known.length === 0) return undefined
  const ours = { name: 'Holdfast', quantiles: known[0]!.quantiles!.ours }
  const all = [ours, ...known.map(({ peer, quantiles }) => ({ name: peer, quantiles: quantiles!.theirs }))]
  return {
    height: 420,
    title: 'P2: one durable write, 1 writer: µs by percentile (logarithmic)',
    xAxis: { type: 'category', name: 'percentile', data: ours.quantiles.map(([percent]) => String(percent)) },
    yAxis: { type: 'log', name: 'µs' },
    series: all.map(({ name, quantiles }) =>
      lineSeries(
        name,
        quantiles.map(([, value]) => value),
      ),
    ),
  }
}

function progress(lines: readonly MeasuredLine[]): Chart | undefined {
  const found = lines.find(line => line.progress !== undefined)
  if (found?.progress === undefined) return undefined
  const { ours, theirs } = found.progress
  return {
    height: 380,
    title: 'P5: writes a second while the keys are written (the last pair)',
    xAxis: { type: 'value', name: 'keys written', max: 'dataMax' },
    yAxis: { type: 'value', name: 'writes/s' },
    series: [lineSeries('Holdfast', windowsOf(ours)), lineSeries(found.peer, windowsOf(theirs))],
  }
}

function costs(lines: readonly MeasuredLine[]): Chart | undefined {
  const names = [...new Set(lines.map(operationOf))]
  const points = (name: string) =>
    lines.filter(line => operationOf(line) === name).map(({ keys, ours }) => [keys!, ours])
  if (names.length === 0) return undefined
  return {
    height: 380,
    title: 'P9: µs an operation as a memory grows (logarithmic)',
    xAxis: { type: 'log', name: 'keys', min: 'dataMin' },
    yAxis: { type: 'log', name: 'µs' },
    series: names.map(name => ({
      ...lineSeries(name, points(name)),
      symbol: 'circle',
      symbolSize: 7,
      showSymbol: true,
    })),
  }
}

/** `put, 256 writers, 10,000 keys` is about `put, 256 writers`. */
function operationOf({ what }: MeasuredLine): string {
  return what.replace(/, [\d,]+ keys$/, '')
}

// So many points a line has at most: more would only make the picture larger.
const WINDOWS_MAX = 200
// What is left at the end may be too short to have a rate.
const WINDOW_SECONDS_MIN = 0.1

/** The rate of each window, at the number of writes that it ended with. */
export function windowsOf(progress: Progress): [writes: number, rate: number][] {
  const step = Math.max(1, Math.ceil((progress.length - 1) / WINDOWS_MAX))
  const windows: [number, number][] = []
  for (let from = 0; from + 1 < progress.length; from += step) {
    const [startedAt, before] = progress[from]!
    const [endedAt, after] = progress[Math.min(from + step, progress.length - 1)]!
    if (endedAt - startedAt >= WINDOW_SECONDS_MIN)
      windows.push([after, Math.round((after - before) / (endedAt - startedAt))])
  }
  return windows
}

const OURS = '#0b6e4f'
const THEIRS = '#9aa5b1'
const PALETTE = ['#1f6fb4', '#c0392b', '#7d3c98', '#d98200', '#148f9e', '#6d4c41', '#4a4a4a', '#c2185b']

function lineSeries(name: string, data: readonly unknown[]): object {
  const isOurs = name === 'Holdfast'
  return {
    type: 'line',
    name,
    data,
    showSymbol: false,
    lineStyle: { width: isOurs ? 3 : 1.5 },
    ...(isOurs && ourColour),
  }
}

const ourColour = { itemStyle: { color: OURS } }

function withStyle({ title, height: _, xAxis, yAxis, ...chart }: Chart): ChartOptions {
  const axis = { nameLocation: 'middle', axisLabel: { formatter: shortLabel } }
  return {
    animation: false,
    color: PALETTE,
    // A page may be dark; the text is not.
    backgroundColor: '#ffffff',
    title: { text: title, textStyle: { fontSize: 14 }, left: 10, top: 8 },
    legend: { top: 34, itemGap: 26 },
    grid: { left: 90, right: 60, top: 90, bottom: 50 },
    xAxis: { ...axis, nameGap: 28, ...xAxis },
    yAxis: { ...axis, nameGap: 60, ...yAxis },
    ...chart,
  }
}

function shortLabel(value: number | string): string {
  if (typeof value === 'string') return value
  if (value >= 1e6) return `${value / 1e6} M`
  return value >= 1e3 ? `${value / 1e3} k` : String(value)
}

function grouped(value: number): string {
  return value.toLocaleString('en-US')
}
