"""Decoders of several kinds trained alike and measured side by side: why an LSTM, why a GRU, why not an RNN."""
