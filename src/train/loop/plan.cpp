// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/plan.hpp"

#include "comm/communicator.hpp"
#include "core/error.hpp"
#include "train/engine.hpp"

#include <utility>

namespace tessera::train {
namespace {

/// Says which rank it is, and never sends anything.
class PlannedCommunicator final : public comm::Communicator {
 public:
  PlannedCommunicator(Rank rank, std::int32_t size) : rank_(rank), size_(size) {}
  [[nodiscard]] Rank rank() const override { return rank_; }
  [[nodiscard]] std::int32_t size() const override { return size_; }
  [[nodiscard]] std::int32_t ranks_on_host() const override { return size_; }
  [[nodiscard]] std::int32_t rank_on_host() const override { return rank_.value(); }
  void barrier() override { refuse(); }
  void broadcast(std::span<std::byte> /*data*/, Rank /*root*/) override { refuse(); }
  void all_gather(std::span<const std::byte> /*in*/, std::span<std::byte> /*out*/,
                  std::span<const std::uint64_t> /*counts_bytes*/) override {
    refuse();
  }
  void all_reduce(std::span<std::int64_t> /*values*/, comm::Reduction /*reduction*/) override { refuse(); }
  comm::Request send(std::span<const std::byte> /*data*/, std::uint64_t /*capacity_bytes*/, Rank /*to*/,
                     int /*tag*/) override {
    refuse();
  }
  comm::Request receive(std::span<std::byte> /*buffer*/, Rank /*from*/, int /*tag*/) override { refuse(); }
  void progress() override { refuse(); }

 protected:
  std::uint64_t wait(std::uint64_t /*slot*/) override { refuse(); }
  void abandon(std::uint64_t /*slot*/) noexcept override {}

 private:
  [[noreturn]] static void refuse() { fail(ExitStatus::kInternal, "a plan exchanges nothing"); }
  Rank rank_;
  std::int32_t size_;
};

/// Parts that have rows, and no queries in memory.
graph::Shard hollow_shard(const PlannedRank& planned, memory::Pool& pool) {
  graph::Shard shard{planned.manifest, planned.placement, planned.rank, {}};
  const PartId end = planned.placement.end_part(planned.rank);
  for (PartId part = planned.placement.first_part(planned.rank); part < end; part = PartId(part.value() + 1))
    shard.parts.push_back(graph::Part::made(planned.manifest, part, {}, pool));
  return shard;
}

}  // namespace

std::array<std::uint64_t, memory::kTagCount> plan_training(const PlannedRank& planned) {
  memory::Pool elsewhere = memory::Pool::planning();
  memory::Pool pool = memory::Pool::planning();
  PlannedCommunicator comm(planned.rank, planned.placement.rank_count());
  const graph::Shard shard = hollow_shard(planned, elsewhere);
  const Job& job = planned.job;
  model::Parameters parameters(shard, job.model, model::state_shape(job.optimiser.name), pool, row_memory(shard, job));
  if (job.average.decay > 0) parameters.keep_average(shard, job.model, pool);
  const auto engine =
      make_engine({comm, shard, job, parameters, planned.threads, kernels::cpu_backend(), pool, planned.items});
  std::array<std::uint64_t, memory::kTagCount> bytes{};
  for (std::size_t tag = 0; tag < bytes.size(); ++tag) bytes[tag] = pool.use(static_cast<memory::Tag>(tag)).bytes;
  return bytes;
}

}  // namespace tessera::train
