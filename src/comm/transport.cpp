// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.hpp"

#include "comm/message_tags.hpp"

namespace tessera::comm {

void HostTransport::exchange(std::span<const Send> sends, std::span<const Receive> receives) {
  requests_.clear();
  for (const Receive& receive : receives)
    requests_.push_back(comm_.receive(receive.buffer, receive.from, message_tag::kTransport));
  for (const Send& send : sends)
    requests_.push_back(comm_.send(send.data, send.data.size(), send.to, message_tag::kTransport));
  for (Request& request : requests_) request.wait();
}

}  // namespace tessera::comm
