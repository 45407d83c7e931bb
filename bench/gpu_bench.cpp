// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What a GPU can do, and what a step of exact softmax does of it: copies, matrix products by cuBLAS in fp32 and
// bfloat16, then the kernels of ResidentCandidates for ComplEx of dim 2,000 against 14,541 rows. One JSON object per
// line. Exit status 64 without a device. Usage: gpu_bench [device number]

#include "core/error.hpp"
#include "device/cuda/check.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "device/stream.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "kernels/padding.hpp"
#include "memory/pool.hpp"

#include <cublas_v2.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace tessera::bench {
namespace {

using kernels::DeviceMatrix;
using memory::Tag;

constexpr std::size_t kDim = 2000;
constexpr std::size_t kRows = 14541;
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

/// The kernels of ResidentCandidates on one part, one target per query.
class Step {
 public:
  Step(Bench& bench, kernels::Products products)
      : bench_(bench),
        workspace_(bench.pool.allocate<std::byte>(Tag::kLogits,
                                                  kernels::workspace_bytes(products, {kMostQueries, kRows, kDim}))),
        kernels_(kernels::make_device_kernels(bench.stream.view(), products, workspace_.span())),
        queries_(bench.random(kMostQueries, kDim, 0.1F)),
        rows_(bench.random(kRows, kDim, 0.1F)),
        state_(bench.matrix(kRows, kDim)),
        values_(bench.matrix(kMostQueries, kernels::padded_stride(kRows)).columns(0, kRows)),
        highest_(bench.matrix(kMostQueries, kTiles)),
        sums_(bench.matrix(kMostQueries, kTiles)),
        part_highest_(bench.matrix(kMostQueries, 1)),
        factors_(bench.matrix(kTiles, kMostQueries)),
        query_gradients_(bench.matrix(kMostQueries, kDim)),
        gradients_(bench.matrix(kRows, kDim)),
        scores_(bench.matrix(1, kMostQueries)),
        weights_(bench.matrix(1, kMostQueries)),
        counting_(bench.pool.allocate<std::uint32_t>(Tag::kBatch, kRows + 1)),
        statistics_(bench.pool.allocate<kernels::Statistic>(Tag::kLogits, kMostQueries)),
        terms_(bench.pool.allocate<kernels::SoftmaxTerms>(Tag::kLogits, kMostQueries)) {
    std::vector<std::uint32_t> counting(kRows + 1);
    for (std::size_t i = 0; i <= kRows; ++i) counting[i] = static_cast<std::uint32_t>(i);
    device::copy(std::span<const std::uint32_t>(counting), counting_.span(), bench.stream.view());
    bench.stream.view().synchronize();
  }

  void enqueue(std::size_t batch) const {
    const auto& by = kernels_->backend();
    const DeviceMatrix queries = queries_.block(0, batch);
    const DeviceMatrix values = values_.block(0, batch);
    const DeviceMatrix highest = highest_.block(0, batch);
    const device::Span<float> part_highest(part_highest_.data, batch);
    const device::Span<float> scores(scores_.data, batch);
    const device::Span<float> weights(weights_.data, batch);
    const auto each = counting(batch);
    const auto statistics = statistics_.span().subspan(0, batch);
    const auto terms = terms_.span().subspan(0, batch);
    const kernels::BasicTiledWeights<kernels::Space::kDevice> tiled{values, factors_.columns(0, batch), kTile};
    by.scores.all_pairs(kernels::Similarity::kDot, queries, rows_, values);
    by.targets.read(values, {each, each}, each, scores);
    by.softmax.exponentials(values, kTile, highest, sums_.block(0, batch));
    by.softmax.exponentials(highest, kTiles, part_highest_.block(0, batch), {factors_.data, batch, 1, 1});
    by.statistics.of_part(highest, sums_.block(0, batch), part_highest, 0, statistics);
    by.statistics.terms({1.0F / static_cast<float>(batch), true}, statistics, scores, counting(batch + 1), terms,
                        weights);
    by.statistics.factors(highest, part_highest, 0, terms, factors_.columns(0, batch));
    by.gradients.to_queries_tiled(tiled, rows_, query_gradients_.block(0, batch));
    by.targets.add_weighted({weights, each, rows_, each, {}}, {counting(batch + 1), each},
                            query_gradients_.block(0, batch), each);
    by.gradients.to_rows_tiled(tiled, queries, gradients_);
    by.targets.add_weighted({weights, each, queries, each, {}}, {counting(batch + 1), each}, gradients_, each);
    by.updates.adagrad({}, gradients_, counting(kRows), rows_, state_);
  }

  void measure(std::size_t batch, const char* products) const {
    const double seconds = seconds_of(bench_.stream.view(), [&] { enqueue(batch); });
    const double flops = 6.0 * static_cast<double>(batch) * kRows * kDim / seconds;
    std::printf(
        "{\"what\": \"exact softmax step, dim %zu, %zu rows, %zu queries, %s\", \"milliseconds\": %.3f, "
        "\"tflops\": %.1f, \"share_of_bf16_product\": %.3f}\n",
        kDim, kRows, batch, products, 1e3 * seconds, 1e-12 * flops, flops / bench_.bf16_flops);
  }

 private:
  [[nodiscard]] device::Span<const std::uint32_t> counting(std::size_t count) const {
    return device::Span<const std::uint32_t>(counting_.span()).subspan(0, count);
  }
  Bench& bench_;
  memory::DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<kernels::DeviceKernels> kernels_;
  DeviceMatrix queries_, rows_, state_, values_, highest_, sums_, part_highest_, factors_, query_gradients_, gradients_,
      scores_, weights_;
  memory::DeviceBuffer<std::uint32_t> counting_;
  memory::DeviceBuffer<kernels::Statistic> statistics_;
  memory::DeviceBuffer<kernels::SoftmaxTerms> terms_;
};

void run(int index) {
  Bench bench(index);
  const device::Properties properties = bench.device.properties();
  std::printf("{\"what\": \"device\", \"name\": \"%s\", \"driver\": \"%d.%d\", \"runtime\": \"%d.%d\"}\n",
              properties.name.c_str(), properties.driver.major, properties.driver.minor, properties.runtime.major,
              properties.runtime.minor);
  measure_copy(bench);
  (void)measure_product(bench, CUDA_R_32F, "fp32");
  bench.bf16_flops = measure_product(bench, CUDA_R_16BF, "bf16");
  for (const auto& [products, name] :
       {std::pair(kernels::Products::kBfloat16, "bf16"), {kernels::Products::kFp32, "fp32"}}) {
    bench.memory.clear();
    const Step step(bench, products);
    for (const std::size_t batch : {1000, 2000, 4000}) step.measure(batch, name);
  }
}

}  // namespace
}  // namespace tessera::bench

int main(int argc, char** argv) {
  try {
    tessera::bench::run(argc > 1 ? std::atoi(argv[1]) : 0);
  } catch (const tessera::Error& error) {
    std::fprintf(stderr, "gpu_bench: %s\n", error.what());
    return static_cast<int>(error.status());
  }
  return 0;
}
