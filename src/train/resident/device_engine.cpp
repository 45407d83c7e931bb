// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/resident/device_engine.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "device/choice.hpp"
#include "kernels/cuda/device_kernels.hpp"
#include "memory/arena.hpp"
#include "train/relation_prediction.hpp"
#include "train/resident/resident_engine.hpp"

#include <algorithm>
#include <exception>
#include <optional>

namespace tessera::train {
namespace {

using kernels::Products;
using kernels::Space;

// Of relation prediction, whose queries are targets and whose rows are relations, and of a core, whose rows make
// operators of relation rows; the other products take operands that are packed.
kernels::ProductSizes largest_products(const EngineSetup& setup) {
  const std::size_t relations = setup.parameters.relations().rows;
  kernels::ProductSizes most;
  if (setup.parameters.scorer().has_core()) most = {relations, setup.parameters.core().rows, 0};
  if (setup.job.relation_prediction.weight > 0) {
    const std::uint64_t targets = step_capacity(setup, item_schedule(setup)).targets;
    const auto queries = std::min<std::size_t>(targets, RelationPrediction::kRoundTriples);
    most = {std::max(most.queries, queries), std::max(most.rows, relations), 0};
  }
  if (most.queries > 0) most.dim = setup.parameters.operators().cols;
  return most;
}

// Kernels run once for each part, and small ones do not fill a device.
void warn_of_parts(const EngineSetup& setup) {
  const std::size_t parts = setup.shard.parts.size();
  if (parts > 1 && setup.comm.rank() == Rank(0))
    log::warning("a device computes {} parts one after the other; one is faster: data.parts = {}", parts,
                 setup.comm.size());
}

void wait_for(device::StreamView stream) noexcept {
  try {
    stream.synchronize();
  } catch (const Error&) {
    // Whoever was to hear of it has heard: nothing is under way any more.
  }
}

// Of a transfer the other side may never come, after an exception.
void end_transfers(comm::DeviceCommunicator& links, device::StreamView stream) noexcept {
  if (std::uncaught_exceptions() > 0) return links.give_up(stream);
  try {
    links.wait(stream);
  } catch (const Error&) {  // as above
  }
}

/// Owns what a ResidentEngine works with.
class DeviceEngine final : public Engine {
 public:
  explicit DeviceEngine(const EngineSetup& setup)
      : links_(setup.links),
        work_(setup.device_pool->device()),
        copies_(setup.device_pool->device()),
        place_(*setup.device_pool, work_.view(), copies_.view(), setup.links) {
    warn_of_parts(setup);
    const Products products = find_products(setup.job.run.products);
    workspace_ =
        place_.allocate<std::byte>(memory::Tag::kLogits, kernels::workspace_bytes(products, largest_products(setup)));
    kernels_ = kernels::make_device_kernels(work_.view(), products, workspace_.span());
    if (links_ != nullptr) transport_.emplace(*links_, work_.view());
    engine_.emplace(setup, place_, kernels_->backend(), transport_ ? &*transport_ : nullptr);
  }
  /// After an exception work may be under way on memory that goes now.
  ~DeviceEngine() override {
    if (links_ != nullptr) end_transfers(*links_, work_.view());
    wait_for(work_.view());
    wait_for(copies_.view());
  }
  DeviceEngine(const DeviceEngine&) = delete;
  DeviceEngine& operator=(const DeviceEngine&) = delete;
  double run_epoch(std::uint32_t epoch, Progress* progress) override { return engine_->run_epoch(epoch, progress); }
  [[nodiscard]] std::uint64_t query_count() const override { return engine_->query_count(); }
  [[nodiscard]] std::string description() const override { return engine_->description(); }
  [[nodiscard]] Optimiser& optimiser() override { return engine_->optimiser(); }
  [[nodiscard]] bool holds_parameters() const override { return engine_->holds_parameters(); }
  void fetch_parameters() override { engine_->fetch_parameters(); }
  [[nodiscard]] std::vector<kernels::ConstDeviceMatrix> device_rows() const override { return engine_->rows(); }

 private:
  comm::DeviceCommunicator* links_;
  device::Stream work_;
  device::Stream copies_;
  Place<Space::kDevice> place_;
  memory::DeviceBuffer<std::byte> workspace_;
  std::unique_ptr<kernels::DeviceKernels> kernels_;
  std::optional<RankTransport<Space::kDevice>> transport_;
  std::optional<ResidentEngine<Space::kDevice>> engine_;
};

}  // namespace

Products find_products(const std::string& name) {
  if (name == "chain") return Products::kChain;
  if (name == "fp32") return Products::kFp32;
  if (name == "tf32") return Products::kTf32;
  if (name == "bf16") return Products::kBfloat16;
  fail(ExitStatus::kUsage, "run.products '{}' is not known; it is one of: chain, fp32, tf32, bf16", name);
}

DeviceShare find_device(const Job& job, int rank_on_host, int ranks_on_host) {
  const int devices = device::device_count();
  const int index = device::choose(rank_on_host, devices, device::devices_of_job());
  const device::Device device = device::Device::open(index);
  const auto sharing = static_cast<std::uint64_t>((ranks_on_host - 1 - rank_on_host % devices) / devices) + 1;
  const std::uint64_t free_bytes = device.free_bytes();
  if (job.run.device_memory.empty())
    return {device, free_bytes / 8 * 7 / sharing, "free device memory", free_bytes, sharing > 1};
  const std::uint64_t bytes = text::parse_bytes(job.run.device_memory, "run.device_memory");
  memory::check_device_budget(bytes * sharing, free_bytes, device.properties().total_bytes);
  return {device, bytes, "run.device_memory", free_bytes, sharing > 1};
}

std::unique_ptr<Engine> make_device_engine(const EngineSetup& setup) {
  TESSERA_ASSERT(setup.device_pool != nullptr, "a device engine needs device memory");
  return std::make_unique<DeviceEngine>(setup);
}

}  // namespace tessera::train
