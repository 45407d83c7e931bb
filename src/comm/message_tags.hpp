// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Tags of messages between two ranks: each kind has its own, so that messages of different kinds never match.
namespace tessera::comm::message_tag {

constexpr int kRowRequests = 1;   ///< exchange::RowDemand
constexpr int kRowFlags = 2;      ///< exchange::EarlyHaloRows, as the next two
constexpr int kRows = 3;          ///< rows that leave while a step computes
constexpr int kRowsHeldBack = 4;  ///< rows that leave after its update
constexpr int kTransport = 5;     ///< RankTransport
constexpr int kGivenUp = 6;       ///< a rank has waited too long, and says so for all

}  // namespace tessera::comm::message_tag
