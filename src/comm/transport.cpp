// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.hpp"

namespace tessera::comm {
namespace {

constexpr int kTag = 5;  // of no other exchange

}  // namespace

void RankTransport<device::Space::kHost>::exchange(std::span<const Send> sends, std::span<const Receive> receives) {
  requests_.clear();
  for (const Receive& receive : receives) requests_.push_back(comm_.receive(receive.buffer, receive.from, kTag));
  for (const Send& send : sends) requests_.push_back(comm_.send(send.data, send.data.size(), send.to, kTag));
  for (Request& request : requests_) request.wait();
}

}  // namespace tessera::comm
