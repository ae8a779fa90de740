"""`Tokenizer`: Keras 2's vocabulary of words by frequency, with its results and its JSON.

Guarantees kept here: a fit that fails leaves the tokenizer as it was; what Keras 2 would lose without a word
(ids beyond a matrix, counts that a later fit overwrites, tokens that JSON turns into other ones) is an error.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, cast

from streamfit._base.checks import is_mapping, truth, whole, whole_or_none
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit._base.telling import warn
from streamfit.preprocessing.text.word_matrices import Mode, mode_of, word_matrix
from streamfit.preprocessing.text.word_sequences import FILTERS, text_to_word_sequence

Tokens = Sequence[Hashable]
Text = str | list[str] | list[int] | list[Hashable]
_Counts = dict[Hashable, int]
_TABLES = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
_NUMBERED = ("index_docs", "index_word")  # JSON has text for their keys


class Tokenizer:
    """Count the words of texts, number them by frequency, and turn texts into numbers or rows of a matrix.

    The most frequent word is 1; words of one frequency are in the order of their first occurrence; 0 is no
    word. A text is a string, or a list of tokens, which is not split.

    Args:
        num_words: How many numbers to use, 0 included: words with a number of `num_words` or more are left
            out, or become `oov_token`. None uses all.
        filters: Characters that separate words too.
        lower: Whether to turn texts, and the tokens of lists, into lower case.
        split: What separates words.
        char_level: Whether each character is a token.
        oov_token: A word that stands for all that are unknown or left out; its number is 1. None leaves them
            out.
        document_count: How many texts were counted, for a tokenizer that is restored.
        **kwargs: ``nb_words``, the name of `num_words` in Keras 1.

    Attributes:
        word_counts: How often each word occurs.
        word_docs: In how many texts each word occurs.
        word_index: The number of each word.
        index_word: The word of each number.
        index_docs: In how many texts the word of each number occurs.
        document_count: How many texts were counted.

    Raises:
        TypeError: An argument has a wrong type, or an unknown name.
        ValueError: An argument is out of range.

    Example:
        >>> tokenizer = Tokenizer(oov_token="?")
        >>> tokenizer.fit_on_texts(["the cat", "the hat"])
        >>> tokenizer.word_index
        {'?': 1, 'the': 2, 'cat': 3, 'hat': 4}
        >>> tokenizer.texts_to_sequences(["The dog!"])
        [[2, 1]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: Iterable[str] = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
        **kwargs: int | None,
    ) -> None:
        if "nb_words" in kwargs:
            warn("Tokenizer(nb_words=...) is Keras 1; write num_words", stacklevel=2)
            num_words = kwargs.pop("nb_words")
        if kwargs:
            raise TypeError(f"Tokenizer has no argument {', '.join(map(repr, sorted(kwargs)))}")
        if oov_token is not None and not isinstance(oov_token, str):
            raise TypeError(f"oov_token={oov_token!r}: write a word, such as '[UNK]', or None")
        self.filters: Iterable[str] = filters if isinstance(filters, str) else list(filters)
        self.num_words = whole_or_none("num_words", num_words, 0)
        self.lower, self.char_level = truth("lower", lower), truth("char_level", char_level)
        self.split, self.oov_token = split, oov_token
        self.document_count = whole("document_count", document_count, 0)
        text_to_word_sequence("", self.filters, False, split)  # checks both
        self.word_counts: _Counts = OrderedDict()
        self.word_docs: _Counts = defaultdict(int)
        self.index_docs: dict[int, int] = defaultdict(int)
        self.word_index: _Counts = {}
        self.index_word: dict[int, Hashable] = {}
        self._counted_sequences = False

    def fit_on_texts(self, texts: Iterable[Text]) -> None:
        """Count the words of texts, in addition to those counted before, and number all anew.

        Args:
            texts: Strings or lists of tokens: a list, an array, a column, or a generator, which is read once.

        Raises:
            TypeError: `texts` is one string, or holds something else than texts.
            ValueError: Documents were counted by `fit_on_sequences`; their counts would be lost.

        Example:
            >>> tokenizer = Tokenizer(char_level=True)
            >>> tokenizer.fit_on_texts(["abb"])
            >>> dict(tokenizer.word_counts), tokenizer.word_index
            ({'a': 1, 'b': 2}, {'b': 1, 'a': 2})
        """
        if self._counted_sequences:
            raise ValueError(
                "fit_on_texts after fit_on_sequences would overwrite the counts of documents; call "
                "fit_on_texts first, or use two tokenizers"
            )
        counts: Counter[Hashable] = Counter()
        documents: Counter[Hashable] = Counter()
        number = 0
        for tokens in self._all_tokens(texts):
            counts.update(tokens)
            documents.update(dict.fromkeys(tokens).keys())
            number += 1
        self.document_count += number
        for word, count in counts.items():
            self.word_counts[word] = self.word_counts.get(word, 0) + count
        for word, count in documents.items():
            self.word_docs[word] = self.word_docs.get(word, 0) + count
        self._number_words()

    def _number_words(self) -> None:
        first = [] if self.oov_token is None else [self.oov_token]
        ordered = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        self.word_index = {word: index for index, word in enumerate((*first, *ordered), 1)}
        self.index_word = {index: word for word, index in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Count in how many sequences each number occurs, for matrices of the mode ``'tfidf'``.

        Args:
            sequences: Lists of whole numbers.

        Raises:
            TypeError: `sequences` has no length, or a number is not whole.
        """
        _check_sized("sequences", sequences)
        counts: Counter[int] = Counter()
        for place, ids in enumerate(sequences):
            try:
                counts.update({whole("an id", each, 0) for each in set(ids)})
            except (TypeError, ValueError) as error:
                error.add_note(f"in sequence {place}")
                raise
        self.document_count += len(sequences)
        self._counted_sequences = self._counted_sequences or bool(counts)
        for index, count in counts.items():
            self.index_docs[index] = self.index_docs.get(index, 0) + count

    def texts_to_sequences(self, texts: Iterable[Text]) -> list[list[int]]:
        """Turn texts into lists of the numbers of their words.

        Args:
            texts: Strings or lists of tokens.

        Returns:
            A list for each text. Words that are unknown, or beyond `num_words`, are the number of
            `oov_token`; without one they are left out.

        Raises:
            TypeError: `texts` is one string, or holds something else than texts.
            ValueError: The vocabulary is empty.

        Example:
            >>> tokenizer = Tokenizer(num_words=3)
            >>> tokenizer.fit_on_texts(["a a a b b c"])
            >>> tokenizer.texts_to_sequences(["a b c d"])
            [[1, 2]]
        """
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Text]) -> Iterator[list[int]]:
        """Yield what `texts_to_sequences` returns, one text after the other."""
        self._check_fitted()
        oov = self.word_index.get(self.oov_token)
        for tokens in self._all_tokens(texts):
            yield self._known([self.word_index.get(token, oov) for token in tokens], oov)

    def _known(self, found: list[int | None], oov: int | None) -> list[int]:
        limit = self.num_words
        if limit:
            found = [oov if index is not None and index >= limit else index for index in found]
        return [index for index in found if index is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Turn lists of numbers into texts: words with a space between them.

        Args:
            sequences: Lists of whole numbers.

        Returns:
            A text for each list. Numbers of no word, and those beyond `num_words`, are `oov_token`; without
            one they are left out, as 0 is.

        Raises:
            ValueError: The vocabulary is empty.

        Example:
            >>> tokenizer = Tokenizer()
            >>> tokenizer.fit_on_texts(["the cat"])
            >>> tokenizer.sequences_to_texts([[2, 1, 0]])
            ['cat the']
        """
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """Yield what `sequences_to_texts` returns, one list after the other."""
        self._check_fitted()
        oov = self.word_index.get(self.oov_token)
        limit = self.num_words or float("inf")
        for ids in sequences:
            known = (index if index < limit and index in self.index_word else oov for index in ids)
            words = [self.index_word[index] for index in known if index is not None]
            yield " ".join(cast("list[str]", words))

    def texts_to_matrix(self, texts: Iterable[Text], mode: Mode = "binary") -> Array:
        """Turn texts into rows of a matrix with a column for each word; see `sequences_to_matrix`."""
        mode_of(mode)
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: Mode = "binary") -> Array:
        """Turn lists of numbers into rows of a matrix with a column for each number.

        Args:
            sequences: Lists of whole numbers from 0.
            mode: What a row holds of each number that occurs: ``'binary'`` 1; ``'count'`` how often;
                ``'freq'`` that, divided by the length of the list; ``'tfidf'``
                ``(1 + log(count)) * log(1 + documents / (1 + documents with it))``, the scheme 2 of
                https://en.wikipedia.org/wiki/Tf-idf.

        Returns:
            float64 of shape (n, num_words), or (n, words + 1) without `num_words`. Numbers of `num_words` or
            more are left out, as Keras 2 does.

        Raises:
            TypeError: `sequences` has no length.
            ValueError: The mode is unknown, or neither `num_words` nor a vocabulary is there; or nothing was
                counted for ``'tfidf'``.
            DataError: A number is negative, not whole, or, without `num_words`, beyond the vocabulary.

        Example:
            >>> Tokenizer(num_words=4).sequences_to_matrix([[1, 3, 1], []], mode="count")
            array([[0., 2., 0., 1.],
                   [0., 0., 0., 0.]])
        """
        _check_sized("sequences", sequences)
        mode_of(mode)
        if not self.num_words and not self.word_index:
            raise ValueError("the vocabulary is empty: give num_words, or call fit_on_texts first")
        if mode == "tfidf" and not self.document_count:
            raise ValueError(
                "mode='tfidf' needs counts of documents: call fit_on_texts or fit_on_sequences first"
            )
        columns = self.num_words or len(self.word_index) + 1
        return word_matrix(
            sequences, columns, mode, self.document_count, self.index_docs, bool(self.num_words)
        )

    def get_config(self) -> dict[str, object]:
        """Return the arguments and the counts; the tables are JSON in strings, as in Keras 2.

        Raises:
            TypeError: A token is no string: JSON would make one of it.
        """
        for word in self.word_counts:
            if not isinstance(word, str):
                raise TypeError(f"JSON has text for keys, but token {word!r} is a {type(word).__name__}")
        tables = {name: json.dumps(getattr(self, name)) for name in _TABLES}
        names = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        return {name: getattr(self, name) for name in names} | tables

    def to_json(self, **kwargs: Any) -> str:
        """Return the tokenizer as JSON, which `tokenizer_from_json` reads, here and in Keras 2.

        Args:
            **kwargs: For `json.dumps`, such as ``indent``.

        Raises:
            TypeError: A token is no string.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)

    def _all_tokens(self, texts: Iterable[Text]) -> Iterator[Tokens]:
        """Yield the tokens of each text."""
        if isinstance(texts, (str, bytes)):
            raise TypeError(f"texts is one {type(texts).__name__}; write a list of texts: [text]")
        texts = texts.to_pylist() if hasattr(texts, "to_pylist") else texts  # a column of Arrow
        for place, text in enumerate(texts):
            try:
                yield self._tokens(text)
            except (TypeError, ValueError) as error:
                error.add_note(f"in text {place}")
                raise

    def _tokens(self, text: object) -> Tokens:
        if isinstance(text, list):
            return _lowered(text) if self.lower else text
        if isinstance(text, bytes):
            text = text.decode()
        if not isinstance(text, str):
            raise TypeError(
                f"a text is a str or a list of tokens, got {text!r:.60} ({type(text).__name__}); fill what "
                "is missing with ''"
            )
        if self.char_level:
            return text.lower() if self.lower else text
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def _check_fitted(self) -> None:
        if not self.word_index:
            raise ValueError("the vocabulary is empty: call fit_on_texts with texts that have words first")


def _lowered(tokens: Sequence[object]) -> list[str]:
    words = [token for token in tokens if isinstance(token, str)]
    if len(words) < len(tokens):
        wrong = next(token for token in tokens if not isinstance(token, str))
        raise TypeError(
            f"token {wrong!r} is a {type(wrong).__name__}, no str; write lower=False for such tokens"
        )
    return [word.lower() for word in words]


def _check_sized(name: str, values: object) -> None:
    if not isinstance(values, Sized):
        raise TypeError(f"{name} must have a length, got a {type(values).__name__}; write list({name})")


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Return the tokenizer that `Tokenizer.to_json` wrote, here or in Keras 2.

    Raises:
        DataError: The text is no JSON of a tokenizer.

    Example:
        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["the cat"])
        >>> tokenizer_from_json(tokenizer.to_json()).texts_to_sequences(["cat"])
        [[2]]
    """
    try:
        config = dict(json.loads(json_string)["config"])
        tables = {name: _table(name, json.loads(config.pop(name))) for name in _TABLES}
        made = Tokenizer(**config)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"this is no JSON of a tokenizer: {type(error).__name__}: {error}") from error
    made.word_counts = OrderedDict(cast(_Counts, tables["word_counts"]))
    made.word_docs = defaultdict(int, cast(_Counts, tables["word_docs"]))
    made.index_docs = defaultdict(int, cast("dict[int, int]", tables["index_docs"]))
    made.index_word = cast("dict[int, Hashable]", tables["index_word"])
    made.word_index = cast(_Counts, tables["word_index"])
    counted = {made.word_index.get(word): count for word, count in made.word_docs.items()}
    made._counted_sequences = counted != made.index_docs
    return made


def _table(name: str, found: object) -> Mapping[Hashable, object]:
    """Return one table of the JSON; numbers that are its keys are text there."""
    if not is_mapping(found):
        raise TypeError(f"{name} is a {type(found).__name__}")
    value = str if name == "index_word" else int
    wrong = [entry for entry in found.values() if type(entry) is not value]
    if wrong:
        raise TypeError(f"{name} holds {wrong[0]!r:.60}")
    return {int(key): entry for key, entry in found.items()} if name in _NUMBERED else dict(found)
