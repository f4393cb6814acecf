"""Modified Kneser–Ney smoothing with dictionaries: the n-gram model is compared with it, and shares no line with it."""

from collections import defaultdict


class DictionaryModel:
    """An n-gram model of documents or streams.

    Parameters
    ----------
    passages
        Lists of symbols; the first of each is only read.
    order
        Symbols of the longest n-gram.
    alphabet
        The symbols that are predicted.
    """

    def __init__(self, passages, order, alphabet):
        self.order, self.alphabet = order, list(alphabet)
        self.tables = []
        for k in range(1, order + 1):
            seen, before = defaultdict(int), defaultdict(set)
            for passage in passages:
                for end in range(max(k, 2), len(passage) + 1):
                    seen[tuple(passage[end - k : end])] += 1
                    if end > k:
                        before[tuple(passage[end - k : end])].add(passage[end - k - 1])
            if k < order:
                seen = {gram: len(before[gram]) or count for gram, count in seen.items()}
            self.tables.append(dict(seen))
        self.discounts = [self.estimate(table) for table in self.tables]

    @staticmethod
    def estimate(table):
        """D for counts of 1, 2 and more, by equation 26 of Chen & Goodman (1999)."""
        n = [sum(1 for count in table.values() if count == times) for times in range(5)]
        if all(n[1:]):
            y = n[1] / (n[1] + 2 * n[2])
            found = [times - (times + 1) * y * n[times + 1] / n[times] for times in (1, 2, 3)]
            if all(0 < d < times for times, d in zip((1, 2, 3), found, strict=True)):
                return found
        return [0.5, 1.0, 1.5]

    def probability(self, context, symbol, order=None):
        """p(symbol | the last symbols of a list)."""
        order = self.order if order is None else order
        if order == 0:
            return 1 / len(self.alphabet)
        context = tuple(context)
        if len(context) < order - 1:
            return self.probability(context, symbol, order - 1)
        h, table, d = context[len(context) - order + 1 :], self.tables[order - 1], self.discounts[order - 1]
        after = [table.get((*h, other), 0) for other in self.alphabet]
        if not sum(after):
            return self.probability(context, symbol, order - 1)
        taken = [d[min(count, 3) - 1] if count else 0 for count in after]
        mine = self.alphabet.index(symbol)
        kept = (after[mine] - taken[mine]) / sum(after)
        return kept + sum(taken) / sum(after) * self.probability(context, symbol, order - 1)
