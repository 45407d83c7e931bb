// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Tags of messages between two ranks: each kind has its own, so that messages of different kinds never match.
namespace tessera::comm::message_tag {

constexpr int kTransport = 5;  ///< RankTransport

}  // namespace tessera::comm::message_tag
