// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/transport.hpp"
#include "execution/staging.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::execution {

/// Memory of a space that travels through memory of the host, by MPI: for ranks that share a device, and together with
/// ranks that have none. The host waits for all of it. Messages are those of HostTransport.
template <Space kSpace>
class StagedTransport final : public comm::RankTransport<kSpace> {
 public:
  using typename comm::RankTransport<kSpace>::Receive;
  using typename comm::RankTransport<kSpace>::Send;
  static constexpr std::uint64_t kSlotBytes = std::uint64_t{4} << 20U;

  /// `bytes`: the most that is sent and received in one exchange. What is named outlives this.
  StagedTransport(comm::Communicator& comm, Executor<kSpace>& executor, memory::Pool& pool, std::uint64_t bytes)
      : transport_(comm),
        staging_(executor, pool, memory::Tag::kExchange, kSlotBytes),
        memory_(pool.allocate<std::byte>(memory::Tag::kExchange, bytes)) {}

  void exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    std::size_t used = 0;
    const auto take = [&](std::size_t bytes) {
      const auto block = memory_.span().subspan(used, bytes);
      used += bytes;
      return block;
    };
    host_sends_.clear();
    host_receives_.clear();
    for (const Send& send : sends) {
      const std::span<std::byte> block = take(send.data.size());
      staging_.download(send.data, block);
      host_sends_.push_back({block, send.to});
    }
    for (const Receive& receive : receives) host_receives_.push_back({take(receive.buffer.size()), receive.from});
    transport_.exchange(host_sends_, host_receives_);
    for (std::size_t i = 0; i < receives.size(); ++i)
      staging_.upload(std::span<const std::byte>(host_receives_[i].buffer), receives[i].buffer);
  }
  [[nodiscard]] const char* description() const override { return "ranks exchange by MPI, through memory of the host"; }

 private:
  comm::HostTransport transport_;
  Staging<kSpace> staging_;
  memory::Buffer<std::byte> memory_;
  std::vector<comm::HostSend> host_sends_;
  std::vector<comm::HostReceive> host_receives_;
};

}  // namespace tessera::execution
