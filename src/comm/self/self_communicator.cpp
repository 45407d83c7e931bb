// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/self/self_communicator.hpp"

#include "core/error.hpp"

#include <algorithm>

namespace tessera::comm {
namespace {

class SelfCommunicator final : public Communicator {
 public:
  [[nodiscard]] Rank rank() const override { return Rank(0); }
  [[nodiscard]] std::int32_t size() const override { return 1; }
  [[nodiscard]] std::int32_t ranks_on_host() const override { return 1; }
  [[nodiscard]] std::int32_t rank_on_host() const override { return 0; }
  void barrier() override {}
  void broadcast(std::span<std::byte> /*data*/, Rank /*root*/) override {}
  void all_gather(std::span<const std::byte> in, std::span<std::byte> out,
                  std::span<const std::uint64_t> /*counts_bytes*/) override {
    TESSERA_ASSERT(in.size() == out.size(), "all_gather sizes");
    if (in.data() != out.data()) std::copy(in.begin(), in.end(), out.begin());
  }
  void all_reduce(std::span<std::int64_t> /*values*/, Reduction /*reduction*/) override {}
  Request send(std::span<const std::byte> /*data*/, std::uint64_t /*capacity*/, Rank /*to*/, int /*tag*/) override {
    no_peer();
  }
  Request receive(std::span<std::byte> /*buffer*/, Rank /*from*/, int /*tag*/) override { no_peer(); }
  void progress() override {}

 protected:
  std::uint64_t wait(std::uint64_t /*slot*/) override { no_peer(); }
  void abandon(std::uint64_t /*slot*/) noexcept override {}

 private:
  [[noreturn]] static void no_peer() {
    fail(ExitStatus::kInternal, "a single rank has no other rank to exchange messages with");
  }
};

}  // namespace

std::unique_ptr<Communicator> make_self_communicator() { return std::make_unique<SelfCommunicator>(); }

}  // namespace tessera::comm
