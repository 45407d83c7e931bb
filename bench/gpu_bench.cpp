// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What a GPU can do, and what a step of exact softmax does of it: copies, matrix products by cuBLAS in fp32 and
// bfloat16, then the kernels of ResidentEngine for ComplEx of dim 2,000 against 14,541 rows, targets and sources being
// drawn so that a few rows are in many queries. Last, training by ResidentEngine itself on a graph in the shape of
// Freebase86m, with shared negatives and rows in bfloat16, lists drawn and copied included. One JSON object per line.
// Exit status 64 without a device. Usage: gpu_bench [DEVICE] [sampled]: device number; 'sampled' leaves out all that is
// not needed for the last line.

#include "core/error.hpp"
#include "device/cuda/check.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/padding.hpp"
#include "memory/budget.hpp"
#include "memory/pool.hpp"
#include "sampled_step.hpp"

#include <cublas_v2.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::bench {
namespace {

using kernels::DeviceMatrix;
using memory::Tag;
using Indices = device::Span<const std::uint32_t>;

constexpr std::size_t kDim = 2000;
constexpr std::size_t kRows = 14541;
constexpr std::size_t kRelations = 474;
constexpr std::size_t kTile = 256;
constexpr std::size_t kMostQueries = 4000;
constexpr std::size_t kTiles = (kRows + kTile - 1) / kTile;
constexpr int kRepeats = 20;

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(ExitStatus::kInternal, "{} failed: {}", call, cublasGetStatusString(status));
}

/// Seconds of one call of `enqueue`: the median of kRepeats, after three that do not count.
double seconds_of(device::StreamView stream, const std::function<void()>& enqueue) {
  device::Event start(stream.device(), device::Event::Clock::kTiming);
  device::Event end(stream.device(), device::Event::Clock::kTiming);
  std::vector<double> seconds;
  for (int repeat = 0; repeat < kRepeats + 3; ++repeat) {
    start.record(stream);
    enqueue();
    end.record(stream);
    end.synchronize();
    if (repeat >= 3) seconds.push_back(end.seconds_since(start));
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRepeats / 2, seconds.end());
  return seconds[kRepeats / 2];
}

struct Bench {
  explicit Bench(int index)
      : device(device::Device::open(index)), stream(device), pool(device, std::uint64_t{6} << 30U) {}
  device::Device device;
  device::Stream stream;
  memory::DevicePool pool;
  std::vector<memory::DeviceBuffer<float>> memory;
  double bf16_flops = 0;
  double copied_bytes_per_second = 0;

  DeviceMatrix matrix(std::size_t rows, std::size_t cols) {
    memory.push_back(pool.allocate<float>(Tag::kRows, rows * cols));
    return {memory.back().data(), rows, cols, cols};
  }
  DeviceMatrix random(std::size_t rows, std::size_t cols, float scale) {
    const DeviceMatrix made = matrix(rows, cols);
    std::mt19937 engine(static_cast<std::uint32_t>(memory.size()));
    std::uniform_real_distribution<float> uniform(-scale, scale);
    std::vector<float> values(rows * cols);
    for (float& value : values) value = uniform(engine);
    device::copy(std::span<const float>(values), device::Span<float>(made.data, values.size()), stream.view());
    stream.view().synchronize();
    return made;
  }
};

void measure_copy(Bench& bench) {
  constexpr std::uint64_t kBytes = std::uint64_t{1} << 30U;
  const auto from = bench.pool.allocate<std::byte>(Tag::kRows, kBytes);
  const auto to = bench.pool.allocate<std::byte>(Tag::kRows, kBytes);
  const double seconds = seconds_of(bench.stream.view(), [&] {
    device::copy_bytes(device::Span<const std::byte>(from.span()), to.span(), bench.stream.view());
  });
  bench.copied_bytes_per_second = 2.0 * kBytes / seconds;
  std::printf("{\"what\": \"copy on the device\", \"gbytes_per_second\": %.1f}\n", 2e-9 * kBytes / seconds);
  memory::Pool pinned(bench.device, kBytes / 4 + 4096, 1);
  const auto host = pinned.allocate<std::byte>(Tag::kRows, kBytes / 4);
  const double upload = seconds_of(bench.stream.view(), [&] {
    device::copy_bytes(std::span<const std::byte>(host.span()), to.span().subspan(0, kBytes / 4), bench.stream.view());
  });
  std::printf("{\"what\": \"copy to the device from pinned memory\", \"gbytes_per_second\": %.1f}\n",
              0.25e-9 * kBytes / upload);
}

/// A square product by cuBLAS, its operands of `type`, sums and output in fp32.
double measure_product(Bench& bench, cudaDataType_t type, const char* name) {
  constexpr int kSide = 8192;
  constexpr std::size_t kCells = std::size_t{kSide} * kSide;
  const auto a = bench.pool.allocate<float>(Tag::kRows, kCells);  // zeros: rates on zeros flatter, so random below
  const auto b = bench.pool.allocate<float>(Tag::kRows, kCells);
  const auto out = bench.pool.allocate<float>(Tag::kRows, kCells);
  std::vector<std::uint16_t> noise(2 * kCells);
  std::mt19937 engine(1);
  // Numbers of magnitude 1 to 2 in both formats: the upper half of a float is a bfloat16.
  for (std::uint16_t& half : noise) half = static_cast<std::uint16_t>(0x3F80U | (engine() & 0x807FU));
  for (const auto* operand : {&a, &b})
    device::copy(std::span<const std::uint16_t>(noise),
                 device::Span<std::uint16_t>(reinterpret_cast<std::uint16_t*>(operand->data()), noise.size()),
                 bench.stream.view());
  device::make_current(bench.device);
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "cublasCreate");
  check(cublasSetStream(handle, bench.stream.view().handle()), "cublasSetStream");
  const float one = 1;
  const float zero = 0;
  const double seconds = seconds_of(bench.stream.view(), [&] {
    check(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, kSide, kSide, kSide, &one, a.data(), type, kSide, b.data(),
                       type, kSide, &zero, out.data(), CUDA_R_32F, kSide, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  });
  check(cublasDestroy(handle), "cublasDestroy");
  const double flops = 2.0 * kSide * kSide * kSide / seconds;
  std::printf("{\"what\": \"product %d x %d x %d, %s\", \"tflops\": %.1f}\n", kSide, kSide, kSide, name, 1e-12 * flops);
  return flops;
}

/// A list of rows or relations in a step, and where each of them stands in it.
struct Draw {
  /// `count` of `most`, a few of them often: most * u^4 with u uniform.
  Draw(Bench& bench, std::size_t count, std::size_t most, std::uint32_t seed) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform;
    std::vector<std::uint32_t> keys(count);
    std::map<std::uint32_t, std::vector<std::uint32_t>> places;
    for (std::size_t i = 0; i < count; ++i) {
      keys[i] = static_cast<std::uint32_t>(static_cast<double>(most) * std::pow(uniform(engine), 4));
      places[keys[i]].push_back(static_cast<std::uint32_t>(i));
    }
    std::vector<std::uint32_t> ids;
    std::vector<std::uint32_t> offsets{0};
    std::vector<std::uint32_t> positions;
    for (const auto& [id, of] : places) {
      ids.push_back(id);
      positions.insert(positions.end(), of.begin(), of.end());
      offsets.push_back(static_cast<std::uint32_t>(positions.size()));
    }
    all_ = bring(bench, keys);
    ids_ = bring(bench, ids);
    offsets_ = bring(bench, offsets);
    positions_ = bring(bench, positions);
  }
  static memory::DeviceBuffer<std::uint32_t> bring(Bench& bench, const std::vector<std::uint32_t>& list) {
    auto there = bench.pool.allocate<std::uint32_t>(Tag::kBatch, list.size());
    device::copy(std::span<const std::uint32_t>(list), there.span(), bench.stream.view());
    bench.stream.view().synchronize();
    return there;
  }
  [[nodiscard]] Indices all() const { return all_.span(); }
  [[nodiscard]] Indices ids() const { return ids_.span(); }
  [[nodiscard]] kernels::BasicSegments<kernels::Space::kDevice> segments() const {
    return {offsets_.span(), positions_.span()};
  }

 private:
  memory::DeviceBuffer<std::uint32_t> all_, ids_, offsets_, positions_;
};

/// The kernels of a step of ResidentEngine on one part: one target per query, n3 on rows, Adagrad.
class Step {
 public:
  Step(Bench& bench, kernels::Products products)
      : bench_(bench),
        workspace_(bench.pool.allocate<std::byte>(Tag::kLogits, kernels::workspace_bytes(products, {}))),
        kernels_(kernels::make_device_kernels(bench.stream.view(), products, workspace_.span())),
        packed_rows_(packed(gradients().packed_bytes(kRows, kDim))),
        packed_queries_(packed(gradients().packed_bytes(kMostQueries, kDim))),
        packed_weights_(packed(gradients().packed_weight_bytes(kMostQueries, kRows))),
        queries_(bench.matrix(kMostQueries, kDim)),
        sources_(bench.matrix(kMostQueries, kDim)),
        rows_(bench.random(kRows, kDim, 0.1F)),
        state_(bench.matrix(kRows, kDim)),
        relations_(bench.random(kRelations, kDim, 0.1F)),
        relation_state_(bench.matrix(kRelations, kDim)),
        values_(bench.matrix(kMostQueries, kernels::padded_stride(kRows)).columns(0, kRows)),
        maxima_(bench.matrix(kMostQueries, kTiles)),
        sums_(bench.matrix(kMostQueries, kTiles)),
        part_maxima_(bench.matrix(kMostQueries, 1)),
        factors_(bench.matrix(kTiles, kMostQueries)),
        query_gradients_(bench.matrix(kMostQueries, kDim)),
        source_gradients_(bench.matrix(kMostQueries, kDim)),
        source_sums_(bench.matrix(kMostQueries, kDim)),
        relation_gradients_(bench.matrix(kRelations, kDim)),
        gradients_(bench.matrix(kRows, kDim)),
        scores_(bench.matrix(1, kMostQueries)),
        weights_(bench.matrix(1, kMostQueries)),
        times_(bench.random(1, kMostQueries, 1)),
        statistics_(bench.pool.allocate<kernels::Statistic>(Tag::kLogits, kMostQueries)),
        terms_(bench.pool.allocate<kernels::LossTerms>(Tag::kLogits, kMostQueries)),
        losses_(bench.pool.allocate<kernels::LossSum>(Tag::kLogits, 1)) {
    std::vector<std::uint32_t> counting(kRows + 1);
    std::iota(counting.begin(), counting.end(), 0U);
    counting_ = Draw::bring(bench, counting);
  }

  struct Lists {
    Draw sources;
    Draw relations;
    Draw targets;
  };

  void enqueue(std::size_t batch, const Lists& lists) {
    const auto& by = kernels_->backend();
    const auto each = counting(batch);
    const DeviceMatrix queries = queries_.block(0, batch);
    const DeviceMatrix sources = sources_.block(0, batch);
    by.rows.gather(rows_, lists.sources.all(), sources);
    by.composition.compose(kernels::Formula::kComplEx, sources, relations_, lists.relations.all(), queries);
    const Operand query_operand = by.gradients.pack(queries, packed_queries_.span());
    const Operand row_operand = by.gradients.pack(rows_, packed_rows_.span());
    const Weights weights = weigh(batch, lists, query_operand, row_operand);

    const DeviceMatrix query_gradients = query_gradients_.block(0, batch);
    const device::Span<float> target_weights(weights_.data, batch);
    by.rows.fill(0, query_gradients);
    by.gradients.add_to_queries_tiled(weights, row_operand, {}, query_gradients);
    by.targets.add_weighted({target_weights, each, rows_, lists.targets.all(), {}}, {counting(batch + 1), each},
                            query_gradients, each);
    const DeviceMatrix relation_gradients = relation_gradients_.block(0, lists.relations.ids().size());
    by.composition.operator_gradients(kernels::Formula::kComplEx,
                                      {sources, query_gradients, lists.relations.segments()}, relations_,
                                      lists.relations.ids(), relation_gradients);
    const DeviceMatrix source_gradients = source_gradients_.block(0, batch);
    by.composition.backward(kernels::Formula::kComplEx, relations_, lists.relations.all(), query_gradients,
                            source_gradients);
    by.penalties.add({3, true}, 1e-6F, {rows_, lists.sources.all(), {times_.data, batch}}, source_gradients, each);

    by.gradients.to_rows_tiled(weights, query_operand, gradients_);
    by.targets.add_weighted({target_weights, each, queries, each, {}}, lists.targets.segments(), gradients_,
                            lists.targets.ids());
    by.penalties.add({3, true}, 1e-6F, {rows_, lists.targets.ids(), {times_.data, lists.targets.ids().size()}},
                     gradients_, lists.targets.ids());
    const DeviceMatrix source_sums = source_sums_.block(0, lists.sources.ids().size());
    by.rows.sum_segments(source_gradients, lists.sources.segments().offsets, lists.sources.segments().positions,
                         source_sums);
    by.rows.add(source_sums, counting(source_sums.rows), lists.sources.ids(), gradients_);
    by.updates.adagrad({}, gradients_, counting(kRows), rows_, state_);
    by.updates.adagrad({}, relation_gradients, lists.relations.ids(), relations_, relation_state_);
  }

  void measure(std::size_t batch, const char* products) {
    const Lists lists{{bench_, batch, kRows, 1}, {bench_, batch, kRelations, 2}, {bench_, batch, kRows, 3}};
    const double seconds = seconds_of(bench_.stream.view(), [&] { enqueue(batch, lists); });
    const double flops = 6.0 * static_cast<double>(batch) * kRows * kDim / seconds;
    std::printf(
        "{\"what\": \"exact softmax step, dim %zu, %zu rows, %zu queries, %s\", \"milliseconds\": %.3f, "
        "\"tflops\": %.1f, \"share_of_bf16_product\": %.3f}\n",
        kDim, kRows, batch, products, 1e3 * seconds, 1e-12 * flops, flops / bench_.bf16_flops);
  }

 private:
  using Operand = kernels::BasicOperand<kernels::Space::kDevice>;
  using Weights = kernels::BasicTiledWeights<kernels::Space::kDevice>;

  /// From queries and rows to weights and losses.
  Weights weigh(std::size_t batch, const Lists& lists, const Operand& queries, const Operand& rows) {
    const auto& by = kernels_->backend();
    const auto each = counting(batch);
    const DeviceMatrix values = values_.block(0, batch);
    const DeviceMatrix maxima = maxima_.block(0, batch);
    const device::Span<float> part_maxima(part_maxima_.data, batch);
    const device::Span<float> scores(scores_.data, batch);
    const auto statistics = statistics_.span().subspan(0, batch);
    const auto terms = terms_.span().subspan(0, batch);
    by.scores.all_pairs(kernels::Similarity::kDot, queries, rows, values);
    by.targets.read(values, {each, lists.targets.all()}, each, scores);
    by.softmax.exponentials(values, kTile, maxima, sums_.block(0, batch));
    by.softmax.exponentials(maxima, kTiles, part_maxima_.block(0, batch), {factors_.data, batch, 1, 1});
    by.statistics.of_part(maxima, sums_.block(0, batch), part_maxima, 0, statistics);
    by.statistics.terms(kernels::SoftmaxLoss{1.0F / static_cast<float>(batch), true}, statistics,
                        {scores, counting(batch + 1), {weights_.data, batch}}, terms);
    by.statistics.factors(maxima, part_maxima, 0, terms, factors_.columns(0, batch));
    by.statistics.add_losses(terms, 0, losses_.span());
    return by.gradients.pack(Weights{values, factors_.columns(0, batch), kTile}, packed_weights_.span());
  }

  [[nodiscard]] const kernels::BasicGradients<kernels::Space::kDevice>& gradients() const {
    return kernels_->backend().gradients;
  }
  memory::DeviceBuffer<std::byte> packed(std::uint64_t bytes) {
    return bench_.pool.allocate<std::byte>(Tag::kLogits, bytes);
  }
  [[nodiscard]] Indices counting(std::size_t count) const { return Indices(counting_.span()).subspan(0, count); }

  Bench& bench_;
  memory::DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<kernels::DeviceKernels> kernels_;
  memory::DeviceBuffer<std::byte> packed_rows_, packed_queries_, packed_weights_;
  DeviceMatrix queries_, sources_, rows_, state_, relations_, relation_state_, values_, maxima_, sums_, part_maxima_,
      factors_, query_gradients_, source_gradients_, source_sums_, relation_gradients_, gradients_, scores_, weights_,
      times_;
  memory::DeviceBuffer<std::uint32_t> counting_;
  memory::DeviceBuffer<kernels::Statistic> statistics_;
  memory::DeviceBuffer<kernels::LossTerms> terms_;
  memory::DeviceBuffer<kernels::LossSum> losses_;
};

/// Training with sampled negatives, as many entities as there is room for here and on the device.
void measure_sampled(const device::Device& device, double copied_bytes_per_second) {
  SampledShape shape;
  const std::uint64_t device_bytes = device.free_bytes() / 8 * 7;
  const std::uint64_t host_bytes = memory::find_budget("", 1).host_bytes;
  shape.entities = entities_that_fit(shape, device_bytes, host_bytes);
  memory::Pool host(host_bytes);
  memory::DevicePool pool(device, device_bytes);
  const SampledResult result =
      measure_sampled(shape, sampled_job(shape, "cuda"), host, &pool,
                      [](const train::EngineSetup& setup) { return train::make_engine(setup); });
  const double bytes_per_second = result.bytes / result.seconds;
  std::printf(
      "{\"what\": \"sampled step, dim %llu, %llu entities, %llu queries, %llu shared negatives, rows in bf16\", "
      "\"milliseconds\": %.3f, \"triples_per_second\": %.0f, \"distinct_rows\": %.0f, \"gbytes_per_second\": %.1f, "
      "\"share_of_copy\": %.3f, \"device_gbytes\": %.2f}\n",
      static_cast<unsigned long long>(shape.dim), static_cast<unsigned long long>(shape.entities),
      static_cast<unsigned long long>(shape.batch), static_cast<unsigned long long>(shape.negatives),
      1e3 * result.seconds, static_cast<double>(shape.batch) / 2 / result.seconds, result.distinct_rows,
      1e-9 * bytes_per_second, bytes_per_second / copied_bytes_per_second,
      1e-9 * static_cast<double>(pool.peak_bytes()));
}

/// Bandwidth of copies, in bytes per second.
double measure_exact(int index, bool only_copies) {
  Bench bench(index);
  const device::Properties properties = bench.device.properties();
  std::printf("{\"what\": \"device\", \"name\": \"%s\", \"driver\": \"%d.%d\", \"runtime\": \"%d.%d\"}\n",
              properties.name.c_str(), properties.driver.major, properties.driver.minor, properties.runtime.major,
              properties.runtime.minor);
  measure_copy(bench);
  if (only_copies) return bench.copied_bytes_per_second;
  (void)measure_product(bench, CUDA_R_32F, "fp32");
  bench.bf16_flops = measure_product(bench, CUDA_R_16BF, "bf16");
  for (const auto& [products, name] :
       {std::pair(kernels::Products::kBfloat16, "bf16"), {kernels::Products::kFp32, "fp32"}}) {
    bench.memory.clear();
    Step step(bench, products);
    for (const std::size_t batch : {1000, 2000, 4000}) step.measure(batch, name);
  }
  return bench.copied_bytes_per_second;
}

void run(int index, bool only_sampled) {
  const double copied_bytes_per_second = measure_exact(index, only_sampled);
  measure_sampled(device::Device::open(index), copied_bytes_per_second);
}

}  // namespace
}  // namespace tessera::bench

int main(int argc, char** argv) {
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what was measured stays when a time limit ends it
  try {
    const bool only_sampled = argc > 1 && std::string_view(argv[argc - 1]) == "sampled";
    tessera::bench::run(argc > 1 ? std::atoi(argv[1]) : 0, only_sampled);  // 'sampled' is no number: device 0
  } catch (const tessera::Error& error) {
    std::fprintf(stderr, "gpu_bench: %s\n", error.what());
    return static_cast<int>(error.status());
  }
  return 0;
}
