// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/planned/planned_communicator.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::comm {
namespace {

class PlannedCommunicator final : public Communicator {
 public:
  explicit PlannedCommunicator(const PlannedRanks& ranks) : ranks_(ranks) {}
  [[nodiscard]] Rank rank() const override { return ranks_.rank; }
  [[nodiscard]] std::int32_t size() const override { return ranks_.size; }
  [[nodiscard]] std::int32_t ranks_on_host() const override { return ranks_.ranks_on_host; }
  [[nodiscard]] std::int32_t rank_on_host() const override { return ranks_.rank.value() % ranks_.ranks_on_host; }
  void barrier() override {}
  void broadcast(std::span<std::byte> /*data*/, Rank /*root*/) override {}
  void all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                  std::span<const std::uint64_t> counts_bytes) override {
    for (const std::uint64_t count : counts_bytes) {
      std::copy_n(in.begin(), std::min<std::uint64_t>(count, in.size()), out.begin());
      out = out.subspan(count);
    }
  }
  void all_reduce(std::span<std::int64_t> values, Reduction reduction) override {
    if (reduction == Reduction::kSum)
      for (std::int64_t& value : values) value *= ranks_.size;
  }
  Request send(std::span<const std::byte> /*data*/, std::uint64_t /*capacity_bytes*/, Rank /*to*/,
               int /*tag*/) override {
    refuse();
  }
  Request receive(std::span<std::byte> /*buffer*/, Rank /*from*/, int /*tag*/) override { refuse(); }
  void progress() override {}

 protected:
  std::uint64_t wait(std::uint64_t /*slot*/) override { refuse(); }
  void abandon(std::uint64_t /*slot*/) noexcept override {}

 private:
  [[noreturn]] static void refuse() { fail(ExitStatus::kInternal, "a plan sends nothing"); }
  PlannedRanks ranks_;
};

}  // namespace

std::unique_ptr<Communicator> make_planned_communicator(const PlannedRanks& ranks) {
  return std::make_unique<PlannedCommunicator>(ranks);
}

}  // namespace tessera::comm
