"""The schema of the GitHub GraphQL API: the part that mining uses.

Belongs here: types, fields and arguments, named as GitHub names them. Does not belong here: what
they answer (`github_graphql`) and what they cost (`github_cost`).
"""

_COUNTED = "totalCount: Int!, pageInfo: PageInfo!"
_PAGED = "first: Int, last: Int, after: String, before: String"

SCHEMA = f"""
scalar DateTime
scalar URI
scalar GitObjectID
scalar GitTimestamp

type Query {{
  repository(owner: String!, name: String!, followRenames: Boolean = true): Repository
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  user(login: String!): User
  organization(login: String!): Organization
  repositoryOwner(login: String!): RepositoryOwner
  rateLimit(dryRun: Boolean = false): RateLimit
  viewer: User!
  search(query: String!, type: SearchType!, {_PAGED}): SearchResultItemConnection!
}}

enum SearchType {{ REPOSITORY }}
enum IssueState {{ OPEN CLOSED }}
enum PullRequestState {{ OPEN CLOSED MERGED }}
enum OrderDirection {{ ASC DESC }}
enum IssueOrderField {{ CREATED_AT UPDATED_AT COMMENTS }}
enum StarOrderField {{ STARRED_AT }}
enum CommentAuthorAssociation {{
  COLLABORATOR CONTRIBUTOR FIRST_TIMER FIRST_TIME_CONTRIBUTOR MANNEQUIN MEMBER NONE OWNER
}}

input IssueOrder {{ field: IssueOrderField!, direction: OrderDirection! }}
input StarOrder {{ field: StarOrderField!, direction: OrderDirection! }}
input CommitAuthor {{ id: ID, emails: [String!] }}
input IssueFilters {{ since: DateTime, states: [IssueState!], createdBy: String }}

interface Node {{ id: ID! }}
interface Actor {{ login: String!, url: URI!, avatarUrl(size: Int): URI! }}
interface RepositoryOwner {{ id: ID!, login: String!, url: URI!, avatarUrl(size: Int): URI! }}
interface GitObject {{ id: ID!, oid: GitObjectID!, abbreviatedOid: String! }}

type PageInfo {{
  hasNextPage: Boolean!, hasPreviousPage: Boolean!, startCursor: String, endCursor: String
}}

type RateLimit {{
  cost: Int!, limit: Int!, remaining: Int!, used: Int!, resetAt: DateTime!, nodeCount: Int!
}}

type User implements Node & Actor & RepositoryOwner {{
  id: ID!, databaseId: Int, login: String!, name: String, email: String!, company: String
  bio: String, location: String, url: URI!, avatarUrl(size: Int): URI!, createdAt: DateTime!
}}
type Organization implements Node & Actor & RepositoryOwner {{
  id: ID!, databaseId: Int, login: String!, name: String, description: String, url: URI!
  avatarUrl(size: Int): URI!, createdAt: DateTime!
}}
type Bot implements Node & Actor {{
  id: ID!, databaseId: Int, login: String!, url: URI!, avatarUrl(size: Int): URI!
  createdAt: DateTime!
}}

type Repository implements Node {{
  id: ID!, databaseId: Int, name: String!, nameWithOwner: String!, owner: RepositoryOwner!
  url: URI!, description: String, createdAt: DateTime!, updatedAt: DateTime!, pushedAt: DateTime
  isFork: Boolean!, isArchived: Boolean!, isPrivate: Boolean!, isDisabled: Boolean!
  isEmpty: Boolean!, isTemplate: Boolean!, isMirror: Boolean!, hasIssuesEnabled: Boolean!
  hasDiscussionsEnabled: Boolean!, hasWikiEnabled: Boolean!, diskUsage: Int, parent: Repository
  stargazerCount: Int!, forkCount: Int!, licenseInfo: License, primaryLanguage: Language
  defaultBranchRef: Ref, object(oid: GitObjectID, expression: String): GitObject
  issue(number: Int!): Issue, pullRequest(number: Int!): PullRequest
  issues({_PAGED}, states: [IssueState!], orderBy: IssueOrder, filterBy: IssueFilters,
    labels: [String!]): IssueConnection!
  pullRequests({_PAGED}, states: [PullRequestState!], orderBy: IssueOrder, labels: [String!],
    baseRefName: String): PullRequestConnection!
  stargazers({_PAGED}, orderBy: StarOrder): StargazerConnection!
  watchers({_PAGED}): UserConnection!
  forks({_PAGED}): RepositoryConnection!
  discussions({_PAGED}): DiscussionConnection!
  releases({_PAGED}): ReleaseConnection!
  labels({_PAGED}): LabelConnection
  languages({_PAGED}): LanguageConnection
  repositoryTopics({_PAGED}): RepositoryTopicConnection!
}}

type Ref implements Node {{ id: ID!, name: String!, prefix: String!, target: GitObject }}
type GitActor {{ name: String, email: String, date: GitTimestamp, user: User }}
type Commit implements Node & GitObject {{
  id: ID!, oid: GitObjectID!, abbreviatedOid: String!, message: String!, messageHeadline: String!
  messageBody: String!, authoredDate: DateTime!, committedDate: DateTime!, author: GitActor
  committer: GitActor, authoredByCommitter: Boolean!, committedViaWeb: Boolean!, url: URI!
  parents({_PAGED}): CommitParentConnection!
  history({_PAGED}, since: GitTimestamp, until: GitTimestamp, author: CommitAuthor,
    path: String): CommitHistoryConnection!
}}

type Issue implements Node {{
  id: ID!, databaseId: Int, fullDatabaseId: String, number: Int!, title: String!, body: String!
  bodyText: String!, state: IssueState!, closed: Boolean!, createdAt: DateTime!
  updatedAt: DateTime!, closedAt: DateTime, author: Actor, url: URI!, repository: Repository!
  authorAssociation: CommentAuthorAssociation!
  labels({_PAGED}): LabelConnection, comments({_PAGED}): IssueCommentConnection!
}}
type PullRequest implements Node {{
  id: ID!, databaseId: Int, fullDatabaseId: String, number: Int!, title: String!, body: String!
  bodyText: String!, state: PullRequestState!, closed: Boolean!, merged: Boolean!
  isDraft: Boolean!, createdAt: DateTime!, updatedAt: DateTime!, closedAt: DateTime
  mergedAt: DateTime, author: Actor, mergedBy: Actor, url: URI!, repository: Repository!
  headRefName: String!, headRefOid: GitObjectID!, baseRefName: String!, baseRefOid: GitObjectID!
  isCrossRepository: Boolean!, mergeCommit: Commit
  authorAssociation: CommentAuthorAssociation!
  labels({_PAGED}): LabelConnection, comments({_PAGED}): IssueCommentConnection!
  reviews({_PAGED}): PullRequestReviewConnection
}}
type IssueComment implements Node {{
  id: ID!, databaseId: Int, fullDatabaseId: String, body: String!, bodyText: String!
  createdAt: DateTime!, updatedAt: DateTime!, author: Actor, url: URI!
  authorAssociation: CommentAuthorAssociation!
}}
type PullRequestReview implements Node {{
  id: ID!, databaseId: Int, fullDatabaseId: String, body: String!, state: String!
  createdAt: DateTime!, submittedAt: DateTime, author: Actor
  authorAssociation: CommentAuthorAssociation!
}}
type Label implements Node {{ id: ID!, name: String!, color: String!, description: String }}
type License implements Node {{ id: ID!, key: String!, name: String!, spdxId: String, url: URI }}
type Language implements Node {{ id: ID!, name: String! }}
type Topic implements Node {{ id: ID!, name: String! }}
type RepositoryTopic implements Node {{ id: ID!, topic: Topic! }}
type Discussion implements Node {{ id: ID!, number: Int!, title: String! }}
type Release implements Node {{
  id: ID!, databaseId: Int, fullDatabaseId: String, tagName: String!, name: String
  createdAt: DateTime!, publishedAt: DateTime, isDraft: Boolean!, isPrerelease: Boolean!
  description: String, author: User, url: URI!
}}

union SearchResultItem = Repository

type SearchResultItemEdge {{ cursor: String!, node: SearchResultItem }}
type SearchResultItemConnection {{
  repositoryCount: Int!, issueCount: Int!, userCount: Int!, pageInfo: PageInfo!
  edges: [SearchResultItemEdge], nodes: [SearchResultItem]
}}
type StargazerEdge {{ cursor: String!, node: User!, starredAt: DateTime! }}
type LanguageEdge {{ cursor: String!, node: Language!, size: Int! }}
type LanguageConnection {{
  {_COUNTED}, totalSize: Int!, edges: [LanguageEdge], nodes: [Language]
}}
type StargazerConnection {{ {_COUNTED}, edges: [StargazerEdge], nodes: [User] }}
""" + "".join(
    f"""
type {edge} {{ cursor: String!, node: {node} }}
type {connection} {{ {_COUNTED}, edges: [{edge}], nodes: [{node}] }}
"""
    for connection, edge, node in (
        ("IssueConnection", "IssueEdge", "Issue"),
        ("PullRequestConnection", "PullRequestEdge", "PullRequest"),
        ("IssueCommentConnection", "IssueCommentEdge", "IssueComment"),
        ("PullRequestReviewConnection", "PullRequestReviewEdge", "PullRequestReview"),
        ("CommitHistoryConnection", "CommitEdge", "Commit"),
        ("CommitParentConnection", "CommitParentEdge", "Commit"),
        ("UserConnection", "UserEdge", "User"),
        ("RepositoryConnection", "RepositoryEdge", "Repository"),
        ("DiscussionConnection", "DiscussionEdge", "Discussion"),
        ("ReleaseConnection", "ReleaseEdge", "Release"),
        ("LabelConnection", "LabelEdge", "Label"),
        ("RepositoryTopicConnection", "RepositoryTopicEdge", "RepositoryTopic"),
    )
)
